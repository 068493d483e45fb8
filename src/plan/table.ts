/** Plans functions of one stored byte: whatever they compute, their results for all bytes are a table. */
import { elementCount, type Node } from "../graph/graph.ts";
import { integerOf } from "../graph/grid.ts";
import { operatorOf } from "../graph/operators/index.ts";
import { bufferName, type Draft } from "./draft.ts";
import type { Element } from "./element.ts";
import { inPlace } from "./in-place.ts";
import type { Matcher, Storage } from "./matcher.ts";

/** Operators of one tensor, element by element. */
const UNARY: ReadonlySet<string> = new Set([
  "quant",
  "bipolarQuant",
  "requant",
  "threshold",
  "lut",
  "relu",
  "clip",
  "sign",
  "hardSigmoid",
  "identity",
  "trunc",
  "batchNorm",
]);
/** Such as well, where one operand is a constant. */
const ARITHMETIC: ReadonlySet<string> = new Set(["add", "sub", "mul", "div"]);
/** Tables of more bytes are left to arithmetic, unless they are what the model asks for. */
const MAX_TABLE_BYTES = 2048;
const MAX_OWN_TABLE_BYTES = 16384;
/** Evaluations for the tables of one layer: 1024 channels of 256 integers. */
const MAX_EVALUATIONS = 1 << 18;
/** Longer chains do not come from any exporter. */
const MAX_CHAIN = 64;

/** A chain of unary nodes, the first of which reads a tensor of single bytes. */
export interface ByteChain {
  readonly name: string;
  readonly input: Storage;
  readonly nodes: readonly Node[];
}

export function draftTable(match: Matcher, node: Node): Draft | undefined {
  const chain = byteChainTo(match, node);
  if (!chain || !match.tensor(node.output).grid) return undefined;
  const output = match.storage(node.output, node);
  const rows = resultRows(match, chain, output);
  // Channels follow each other in maps and vectors; a matrix holds one after the other.
  const { shape } = output;
  if (!rows || (rows.length > 1 && shape.length !== 1 && shape.length !== 3)) return undefined;
  const data = packTables(rows, chain.input, output);
  const limit = node.op === "lut" ? MAX_OWN_TABLE_BYTES : MAX_TABLE_BYTES;
  if (data.length > limit) return undefined;
  const scratch = bufferName("table", node.output);
  return {
    name: node.output,
    buffers: [match.request(chain.name), match.request(node.output), { name: scratch, bytes: data.length }],
    weights: data,
    operations: elementCount(output.shape) * (rows.length === 1 ? 4 : 6),
    why: `a function of ${chain.input.grid.max - chain.input.grid.min + 1} integers is a table`,
    replaces: inPlace(match, chain.name, node.output),
    finish: (region, slice) => ({
      kind: "table",
      name: node.output,
      outputShape: output.shape,
      output: region(node.output),
      weights: slice,
      scratch: region(scratch),
      macs: 0,
      weightBits: 0,
      activationBits: 8,
      input: region(chain.name),
      bytes: output.bytes,
      channels: output.shape.length === 3 ? output.shape[0]! : elementCount(output.shape),
      tables: rows.length,
    }),
  };
}

/** The longest chain of unary nodes that ends in a node and begins with a tensor of single bytes. */
export function byteChainTo(match: Matcher, end: Node): ByteChain | undefined {
  let found: ByteChain | undefined;
  const nodes: Node[] = [];
  for (let node: Node | undefined = end; node && nodes.length < MAX_CHAIN; ) {
    const name = variableOf(match, node);
    if (name === undefined) break;
    nodes.unshift(node);
    const { grid } = match.tensor(name);
    if (grid) {
      const input = match.storage(name, node);
      if (input.bytes === 1) found = { name, input, nodes: [...nodes] };
    }
    node = match.producer(name);
  }
  return found;
}

/** The one tensor of which a node is a function, element by element. */
function variableOf(match: Matcher, node: Node): string | undefined {
  if (UNARY.has(node.op)) return node.inputs[0];
  if (!ARITHMETIC.has(node.op)) return undefined;
  const [variables, constants] = [true, false].map((variable) =>
    node.inputs.filter((name) => (match.tensor(name).values === undefined) === variable),
  ) as [string[], string[]];
  const channels = match.tensor(node.output).shape[0];
  const perChannel = constants.every((name) => [1, channels].includes(elementCount(match.tensor(name).shape)));
  return variables.length === 1 && perChannel ? variables[0] : undefined;
}

/**
 * The chain's results for each integer of its input, ascending, by the reference kernels: one row, or one per channel where
 * channels differ.
 */
export function resultRows(
  match: Matcher,
  { name, input, nodes }: ByteChain,
  output: Pick<Storage, "grid" | "shape">,
): Int32Array[] | undefined {
  const channels = output.shape[0]!;
  const { grid } = input;
  const integers = grid.max - grid.min + 1;
  if (channels * integers > MAX_EVALUATIONS) return undefined;
  const shape = [channels, 1, integers];
  let variable = name;
  let values = Float64Array.from({ length: channels * integers }, (_, i) => (grid.min + (i % integers)) * grid.step);
  for (const node of nodes) {
    const inputs = node.inputs.map((each) => {
      const tensor = match.tensor(each);
      if (each === variable) return { shape, values, ...(tensor.grid && { grid: tensor.grid }) };
      return { shape: tensor.shape, values: tensor.values!, ...(tensor.grid && { grid: tensor.grid }) };
    });
    values = Float64Array.from(operatorOf(node.op).run(node, inputs, shape));
    variable = node.output;
  }
  const rows = Array.from({ length: channels }, (_, c) =>
    Int32Array.from({ length: integers }, (_, i) => integerOf(values[c * integers + i]!, output.grid)),
  );
  const alike = rows.every((row) => row.every((n, i) => n === rows[0]![i]));
  return alike ? rows.slice(0, 1) : rows;
}

/** Tables by stored byte: entry n & 255 for the integer n. */
export function packTables(rows: readonly Int32Array[], { grid, signed }: Storage, { bytes }: Element): Uint8Array {
  const entries = tableEntries(signed, grid.max);
  const data = new Uint8Array(rows.length * entries * bytes);
  const view = new DataView(data.buffer);
  rows.forEach((row, r) => {
    row.forEach((n, i) => {
      const at = (r * entries + ((grid.min + i) & 255)) * bytes;
      if (bytes === 1) view.setInt8(at, n);
      else if (bytes === 2) view.setInt16(at, n, true);
      else view.setInt32(at, n, true);
    });
  });
  return data;
}

function tableEntries(signed: boolean, max: number): number {
  return signed ? 256 : max + 1;
}
