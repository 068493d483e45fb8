/** Plans element-wise layers: one stored tensor requantised, or two of them added, subtracted or multiplied and then requantised. */
import { elementCount, type Node } from "../graph/graph.ts";
import { type Affine, type Chain, QUANTISERS, readAffine, readChain } from "./chain.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import { planEpilogue, type RawSum } from "./epilogue.ts";
import { inPlace } from "./in-place.ts";
import type { Matcher, Storage } from "./matcher.ts";
import { NO_SCRATCH } from "./plan.ts";
import { joinRecords } from "./records.ts";

/** Operators that an epilogue does by its limits alone. */
const CLAMPS: ReadonlySet<string> = new Set(["relu", "clip"]);
const ARITHMETIC: ReadonlySet<string> = new Set(["add", "sub", "mul"]);

export function draftPointwise(match: Matcher, node: Node): Draft | undefined {
  if (!QUANTISERS.has(node.op) && !CLAMPS.has(node.op) && !ARITHMETIC.has(node.op)) return undefined;
  const found = operandsOf(match, node);
  if (!found) return undefined;
  const { chain, operands } = found;
  const output = match.storage(node.output, node);
  const storages = operands.map((name) => match.storage(name, node));
  const { shortcut } = chain;
  if (shortcut && elementCount(shortcut.tensor.shape) !== elementCount(output.shape))
    noKernel(
      `Node "${node.name}" (${node.op}) adds "${shortcut.tensor.name}", a stored tensor of another shape`,
      "Add tensors of one shape, or a constant.",
    );
  const channels = output.shape.length === 3 ? output.shape[0]! : elementCount(output.shape);
  for (const { shape } of storages)
    if (![channels, elementCount(output.shape)].includes(elementCount(shape)))
      noKernel(
        `Node "${node.name}" (${node.op}) joins stored tensors of the shapes [${shape}] and [${output.shape}]`,
        "Use tensors of one shape, or one value per channel.",
      );
  const sum = rawRange(node, storages);
  const epilogue = planEpilogue(match.graph, chain, new Array<RawSum>(output.shape[0]!).fill(sum));
  // Tensors that are neither maps nor vectors lie row by row of their first axis.
  const records = joinRecords(epilogue, channels / output.shape[0]!);
  const scratch = bufferName("records", node.output);
  return {
    name: node.output,
    buffers: [
      ...operands.map((name) => match.request(name)),
      ...(shortcut ? [match.request(shortcut.tensor.name)] : []),
      match.request(node.output),
      ...(records.data.length > 0 ? [{ name: scratch, bytes: records.data.length }] : []),
    ],
    weights: records.data,
    operations: elementCount(output.shape) * (12 + 4 * operands.length + (shortcut ? 3 : 0)),
    why: "element by element, in the end of which one quantiser",
    replaces: replacement(match, node, [...operands, ...(shortcut ? [shortcut.tensor.name] : [])]),
    finish: (region, slice) => ({
      kind: "pointwise",
      name: node.output,
      outputShape: output.shape,
      output: region(node.output),
      weights: slice,
      scratch: records.data.length > 0 ? region(scratch) : NO_SCRATCH,
      macs: 0,
      weightBits: 0,
      activationBits: 8 * storages[0]!.bytes,
      operands: operands.map((name, i) => ({
        region: region(name),
        bytes: storages[i]!.bytes,
        signed: storages[i]!.signed,
        perChannel: elementCount(storages[i]!.shape) !== elementCount(output.shape),
      })),
      epilogue: epilogue.finish(region),
      channels,
      records: records.count,
    }),
  };
}

/** What is computed first, and the affine map from there to what the node stores. */
function operandsOf(match: Matcher, node: Node): { chain: Chain; operands: string[] } | undefined {
  const quantiser = QUANTISERS.has(node.op) ? node : undefined;
  const output = match.tensor(node.output);
  const inner = quantiser || CLAMPS.has(node.op) ? node.inputs[0]! : node.output;
  const complete = (affine: Affine): Chain => ({ ...affine, quantiser, output });
  const product = productBehind(match, inner);
  if (product) {
    const affine = readChain(match.graph, { ...match.producer(inner)! }, (each) => each === product);
    return affine && { chain: complete(affine), operands: [...product.inputs] };
  }
  const stored = storedBehind(match, inner, node);
  const affine = stored === undefined ? undefined : readAffine(match.graph, stored, inner);
  return affine && { chain: complete(affine), operands: [stored!] };
}

/** The multiplication of two computed tensors behind a chain of arithmetic with constants. */
function productBehind(match: Matcher, name: string): Node | undefined {
  for (let node = match.producer(name); node; ) {
    const variables = node.inputs.filter((input) => !match.tensor(input).values);
    if (node.op === "mul" && variables.length === 2) return node;
    if (!ARITHMETIC.has(node.op) || variables.length !== 1) return undefined;
    node = match.producer(variables[0]!);
  }
  return undefined;
}

/**
 * The tensor with which an element-wise layer begins: as far back as only constants and at most one other tensor come in. It must
 * not be the layer's own result.
 */
function storedBehind(match: Matcher, name: string, end: Node): string | undefined {
  let current = name;
  let joined = false;
  for (;;) {
    const node = match.producer(current);
    if (!node || !ARITHMETIC.has(node.op)) break;
    const variables = node.inputs.filter((input) => !match.tensor(input).values);
    if (variables.length === 2 && (joined || node.op === "mul")) break;
    if (node.inputs.some((input) => !match.tensor(input).grid)) break;
    joined ||= variables.length === 2;
    current = variables[0]!;
  }
  return current === end.output ? undefined : current;
}

/** The integers that the layer hands to its epilogue. */
function rawRange(node: Node, operands: readonly Storage[]): RawSum {
  const [a, b] = operands as [Storage, Storage?];
  if (!b) return { min: a.grid.min, max: a.grid.max, factor: 1, bias: 0 };
  const corners = [a.grid.min, a.grid.max].flatMap((x) => [x * b.grid.min, x * b.grid.max]);
  const [min, max] = [Math.min(...corners), Math.max(...corners)];
  if (Math.max(max, -min) >= 2 ** 31)
    noKernel(
      `Node "${node.name}" (${node.op}) multiplies integers to more than 32 bits`,
      "Quantise its inputs.",
      "H404",
    );
  return { min, max, factor: 1, bias: 0 };
}

/** The operand whose buffer the output may take: one that nothing else reads. */
function replacement(match: Matcher, node: Node, operands: readonly string[]): Draft["replaces"] {
  const own = operands.find((name) => match.readers(name).length === 1 && inPlace(match, name, node.output));
  return own === undefined ? undefined : inPlace(match, own, node.output);
}
