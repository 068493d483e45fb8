/** Plans layers that only move elements: transposes that nothing dissolves, concatenations, paddings. */
import { elementCount, type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { factorTo, integerOf } from "../graph/grid.ts";
import { type Draft, noKernel } from "./draft.ts";
import type { CopyLoop } from "./element-layers.ts";
import type { Matcher, Storage } from "./matcher.ts";
import { NO_SCRATCH, type Region } from "./plan.ts";
import { reshapeView, type View, wholeTensor } from "./view.ts";

/** Operators whose result is their input's elements in another order. */
const REORDERS: ReadonlySet<string> = new Set(["transpose", "reshape", "flatten", "slice"]);

/** Elements that a layer writes: where they come from and which of its result they are. */
interface Source {
  readonly name: string;
  readonly from: View;
  readonly to: View;
}

export function draftCopy(match: Matcher, node: Node): Draft | undefined {
  if (!REORDERS.has(node.op) && node.op !== "concat" && node.op !== "pad") return undefined;
  const whole = wholeTensor(node.output, match.tensor(node.output).shape);
  if (node.op === "concat") return draftSources(match, node.output, concatSources(match, node, whole));
  if (node.op === "pad") {
    const [input] = node.inputs as [string];
    const to = corner(whole, match.tensor(input).shape, numbersOf(node, "before"));
    return draftSources(match, node.output, [{ name: input, from: match.view(input), to }], numberOf(node, "value"));
  }
  // A reshape that strides cannot express goes from the order of its input into its own.
  const own = match.view(node.output);
  const from = own.root === node.output ? match.view(node.inputs[0]!) : own;
  return draftSources(match, node.output, [{ name: node.inputs[0]!, from, to: whole }]);
}

/** Makes the input's tensor, channels innermost, from what the host wrote. */
export function draftInput(match: Matcher): Draft {
  const { input } = match.graph;
  const to = wholeTensor(input, match.tensor(input).shape);
  return draftSources(match, input, [{ name: input, from: match.view(input), to }]);
}

function concatSources(match: Matcher, node: Node, whole: View): Source[] {
  const axis = numberOf(node, "axis");
  let start = 0;
  return node.inputs.map((name) => {
    const { shape } = match.tensor(name);
    const first = shape.map((_, d) => (d === axis ? start : 0));
    start += shape[axis]!;
    return { name, from: match.view(name), to: corner(whole, shape, first) };
  });
}

/** The elements of a view that begin at `first`. */
function corner(whole: View, dims: readonly number[], first: readonly number[]): View {
  const offset = whole.strides.reduce((sum, stride, d) => sum + stride * first[d]!, whole.offset);
  return { ...whole, offset, dims };
}

/** @param padding what the elements are that no source writes */
function draftSources(match: Matcher, name: string, sources: readonly Source[], padding?: number): Draft {
  const output = match.storage(name, match.producer(name));
  const parts = sources.map((source) => partOf(match, source, output));
  return {
    name,
    buffers: [...parts.map(({ root }) => match.request(root)), match.request(name)],
    weights: new Uint8Array(0),
    operations: elementCount(output.shape) * 6,
    why:
      sources.length > 1
        ? "tensors are put together"
        : "a layer reads the elements in another order or with others around",
    finish: (region, slice) => ({
      kind: "copy",
      name,
      outputShape: output.shape,
      output: { ...region(name), bytes: elementCount(output.shape) * output.bytes },
      weights: slice,
      scratch: NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * output.bytes,
      element: { bytes: output.bytes, signed: output.signed },
      ...(padding !== undefined && { fill: integerOf(padding, output.grid) }),
      parts: parts.map(({ root, skip, ...part }) => ({ ...part, input: behind(region(root), skip) })),
    }),
  };
}

/** A region without its first bytes. */
export function behind({ address, bytes }: Region, skip: number): Region {
  return { address: address + skip, bytes: bytes - skip };
}

function partOf(match: Matcher, { name, from, to }: Source, output: Storage) {
  const { grid, bytes, signed } = match.storage(name, match.producer(name));
  const loops = moveLoops(from, to, bytes, output.bytes);
  const factor = factorTo(grid, output.grid.step);
  if (!loops || factor === undefined)
    return noKernel(
      `"${name}" has its elements in an order or on a scale that "${to.root}" cannot take over`,
      "Give both one scale, and reshape in smaller steps.",
    );
  const element = { bytes, signed };
  return { root: from.root, skip: from.offset * bytes, element, loops, to: to.offset * output.bytes, factor };
}

/**
 * Loops that walk two views of one shape, or of one number of elements in row-major order, together; strides in bytes. The
 * innermost loop goes along the target.
 */
export function moveLoops(from: View, to: View, fromBytes: number, toBytes: number): CopyLoop[] | undefined {
  const dims = commonDims(from.dims, to.dims);
  const [source, target] = [dims && reshapeView(from, dims), dims && reshapeView(to, dims)];
  if (!source || !target) return undefined;
  const all = source.dims.map((count, d) => ({
    count,
    from: source.strides[d]! * fromBytes,
    to: target.strides[d]! * toBytes,
  }));
  const loops: CopyLoop[] = [];
  for (const loop of all.filter(({ count }) => count > 1).sort((a, b) => b.to - a.to)) {
    const outer = loops.at(-1);
    if (outer && outer.from === loop.from * loop.count && outer.to === loop.to * loop.count)
      loops[loops.length - 1] = { ...loop, count: outer.count * loop.count };
    else loops.push(loop);
  }
  return loops;
}

/** The coarsest dimensions of which both are made; undefined where a dimension of one straddles those of the other. */
function commonDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const blocks = (dims: readonly number[]): number[] => dims.map((_, d) => elementCount(dims.slice(d)));
  const sizes = [...new Set([...blocks(a), ...blocks(b), 1])].sort((x, y) => y - x);
  const dims = sizes.slice(1).map((size, i) => sizes[i]! / size);
  return dims.every(Number.isInteger) ? dims : undefined;
}
