/** Plans copies: a tensor that is another's elements in an order in which no layer stores them. */
import type { Node } from "../graph/graph.ts";
import { elementCount } from "../graph/graph.ts";
import { type Draft, noKernel } from "./draft.ts";
import type { CopyLoop } from "./element-layers.ts";
import type { Matcher } from "./matcher.ts";
import { NO_SCRATCH } from "./plan.ts";
import { reshapeView, type View, wholeTensor } from "./view.ts";

/** Operators whose result is their input's elements in another order. */
const MOVES: ReadonlySet<string> = new Set(["transpose", "reshape", "flatten", "slice"]);

/** Makes the result of a node that only moves elements. */
export function draftCopy(match: Matcher, node: Node): Draft | undefined {
  if (!MOVES.has(node.op)) return undefined;
  const own = match.view(node.output);
  // A reshape that strides cannot express is one from the order of its input into its own.
  return draftMove(match, node.output, own.root === node.output ? match.view(node.inputs[0]!) : own);
}

/** Makes the input's tensor, channels innermost, from what the host wrote. */
export function draftInput(match: Matcher): Draft {
  return draftMove(match, match.graph.input, match.view(match.graph.input));
}

function draftMove(match: Matcher, name: string, from: View): Draft {
  const { shape, bytes } = match.storage(name, match.producer(name));
  const loops = moveLoops(from, wholeTensor(name, shape), bytes, bytes);
  if (!loops)
    return noKernel(`"${name}" has its elements in an order that no loops describe`, "Reshape in smaller steps.");
  const elements = elementCount(shape);
  return {
    name,
    buffers: [match.request(from.root), match.request(name)],
    weights: new Uint8Array(0),
    operations: elements * 6,
    why: "a layer reads the elements in another order",
    finish: (region, slice) => {
      const { address, bytes: size } = region(from.root);
      const input = { address: address + from.offset * bytes, bytes: size - from.offset * bytes };
      return {
        kind: "copy",
        name,
        outputShape: shape,
        output: region(name),
        weights: slice,
        scratch: NO_SCRATCH,
        macs: 0,
        weightBits: 0,
        activationBits: 8 * bytes,
        input,
        bytes,
        loops,
      };
    },
  };
}

/** Loops that walk two views of one shape, or of one number of elements in row-major order, together; strides in bytes. */
export function moveLoops(from: View, to: View, fromBytes: number, toBytes: number): CopyLoop[] | undefined {
  const reshaped = reshapeView(from, to.dims);
  const [source, target] = reshaped ? [reshaped, to] : [from, reshapeView(to, from.dims)];
  if (!target) return undefined;
  const loops: CopyLoop[] = [];
  source.dims.forEach((count, d) => {
    if (count === 1) return;
    const loop = { count, from: source.strides[d]! * fromBytes, to: target.strides[d]! * toBytes };
    const outer = loops.at(-1);
    if (outer && outer.from === loop.from * count && outer.to === loop.to * count)
      loops[loops.length - 1] = { ...loop, count: outer.count * count };
    else loops.push(loop);
  });
  return loops;
}
