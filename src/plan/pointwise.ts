/** Plans element-wise layers: one stored tensor requantised, or two of them added, subtracted or multiplied and then requantised. */
import { elementCount, type Node } from "../graph/graph.ts";
import { factorTo } from "../graph/grid.ts";
import { type Chain, QUANTISERS, readAffine } from "./chain.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import { planEpilogue, type RawSum } from "./epilogue.ts";
import { inPlace } from "./in-place.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { findOperand, type Operand } from "./operand.ts";
import { NO_SCRATCH } from "./plan.ts";
import { joinRecords } from "./records.ts";

/** Operators that an epilogue does by its limits alone. */
const CLAMPS: ReadonlySet<string> = new Set(["relu", "clip"]);
const ARITHMETIC: ReadonlySet<string> = new Set(["add", "sub", "mul"]);

export function draftPointwise(match: Matcher, node: Node): Draft | undefined {
  if (!QUANTISERS.has(node.op) && !CLAMPS.has(node.op) && !ARITHMETIC.has(node.op)) return undefined;
  const begin = beginningOf(match, node);
  const chain = begin && chainFrom(match, begin.tensor, node);
  if (!chain) return undefined;
  const operands = operandsOf(match, begin, node);
  const output = match.storage(node.output, node);
  const channels = output.shape.length === 3 ? output.shape[0]! : elementCount(output.shape);
  const { min, max } = match.storage(begin.tensor, node).grid;
  const sum: RawSum = { min, max, factor: 1, bias: 0 };
  const epilogue = planEpilogue(match.graph, chain, new Array<RawSum>(output.shape[0]!).fill(sum));
  // Tensors that are neither maps nor vectors lie row by row of their first axis.
  const records = joinRecords(epilogue, channels / output.shape[0]!);
  const constants = joinConstants(records.data, operands);
  const scratch = bufferName("records", node.output);
  return {
    name: node.output,
    buffers: [
      ...operands.map(({ name }) => match.request(name)),
      match.request(node.output),
      ...(constants.data.length > 0 ? [{ name: scratch, bytes: constants.data.length }] : []),
    ],
    weights: constants.data,
    operations: elementCount(output.shape) * operands.reduce((sum, { table }) => sum + (table ? 6 : 4), 12),
    why: operands.some(({ table }) => table)
      ? "element by element; what requantises an operand is a table"
      : "element by element, with one quantiser behind",
    replaces: replacement(match, node, operands),
    finish: (region, slice) => ({
      kind: "pointwise",
      name: node.output,
      outputShape: output.shape,
      output: region(node.output),
      weights: slice,
      scratch: constants.data.length > 0 ? region(scratch) : NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * operands[0]!.element.bytes,
      operands: operands.map(({ name, element, table, factor, perChannel }, i) => ({
        ...element,
        region: region(name),
        ...(table && { table: { at: constants.tablesAt[i]!, element: table.element } }),
        factor,
        perChannel,
      })),
      join: begin.join?.op === "mul" ? "mul" : "add",
      epilogue: epilogue.finish(region),
      channels,
      records: records.count,
    }),
  };
}

/** The tensor with whose integers the epilogue begins: a stored one, or what joins two. */
interface Beginning {
  readonly tensor: string;
  /** The node that joins two tensors. */
  readonly join: Node | undefined;
}

/** As far back as only constants come in; at most one node joins two tensors. */
function beginningOf(match: Matcher, end: Node): Beginning | undefined {
  let tensor = ARITHMETIC.has(end.op) ? end.output : end.inputs[0]!;
  for (;;) {
    const node = match.producer(tensor);
    if (!node || !ARITHMETIC.has(node.op)) break;
    const variables = node.inputs.filter((input) => !match.tensor(input).values);
    if (node.inputs.some((input) => !match.tensor(input).grid)) break;
    if (variables.length === 2) return { tensor, join: node };
    tensor = variables[0]!;
  }
  return tensor === end.output ? undefined : { tensor, join: undefined };
}

/** The affine map from there to what the node stores, and its quantiser. */
function chainFrom(match: Matcher, tensor: string, end: Node): Chain | undefined {
  const quantiser = QUANTISERS.has(end.op) ? end : undefined;
  const inner = ARITHMETIC.has(end.op) ? end.output : end.inputs[0]!;
  const affine = readAffine(match.graph, tensor, inner);
  return affine && { ...affine, quantiser, output: match.tensor(end.output) };
}

function operandsOf(match: Matcher, { tensor, join }: Beginning, end: Node): Operand[] {
  if (!join) return [findOperand(match, tensor, end, 1)];
  const { shape, grid } = match.storage(tensor, join);
  return join.inputs.map((name, i) => {
    const own = match.storage(name, join);
    const factor = join.op === "mul" ? 1 : factorTo(own.grid, grid.step);
    const channels = shape.length === 3 ? shape[0]! : elementCount(shape);
    if (factor === undefined || ![channels, elementCount(shape)].includes(elementCount(own.shape)))
      return noKernel(
        `Node "${join.name}" (${join.op}) joins stored tensors [${own.shape}] and [${shape}] in steps of ${own.grid.step} and ${grid.step}`,
        "Use tensors of one shape, or one value per channel, on scales of which one is a multiple of the other.",
      );
    const perChannel = elementCount(own.shape) !== elementCount(shape);
    return { ...findOperand(match, name, join, join.op === "sub" && i === 1 ? -factor : factor), perChannel };
  });
}

/** Records, then tables, in one piece. */
function joinConstants(records: Uint8Array, operands: readonly Operand[]): { data: Uint8Array; tablesAt: number[] } {
  let end = records.length;
  const tablesAt = operands.map(({ table }) => {
    const at = align(end);
    if (table) end = at + table.data.length;
    return at;
  });
  const data = new Uint8Array(end);
  data.set(records);
  operands.forEach(({ table }, i) => {
    if (table) data.set(table.data, tablesAt[i]!);
  });
  return { data, tablesAt };
}

/** The operand whose buffer the output may take: one that nothing else reads. */
function replacement(match: Matcher, node: Node, operands: readonly Operand[]): Draft["replaces"] {
  const own = operands.find(({ name }) => match.readers(name).length === 1 && inPlace(match, name, node.output));
  return own && inPlace(match, own.name, node.output);
}
