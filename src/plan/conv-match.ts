/**
 * Recognises sums of products: a convolution or a fully connected layer, with the chain behind it. To the kernels a fully connected
 * layer is a 1x1 convolution of one pixel, whose channels are its inputs in the order in which they lie in memory.
 */
import { elementCount, type Node, numberOf, type Tensor } from "../graph/graph.ts";
import { type Grid, integerOf, multipleOf, widened } from "../graph/grid.ts";
import { type ConvGeometry, convGeometry } from "../graph/operators/conv.ts";
import { type Chain, readChain } from "./chain.ts";
import { type Draft, noKernel } from "./draft.ts";
import type { Element } from "./element.ts";
import type { EpilogueDraft, RawSum } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import { elementOffsets, type View, wholeTensor } from "./view.ts";

export type Range = Pick<Grid, "min" | "max">;
type Triple = readonly [number, number, number];

export interface MatchedConv {
  readonly chain: Chain;
  readonly geometry: ConvGeometry;
  /** Where the input lies, [channels, height, width]. */
  readonly input: View & { readonly dims: Triple; readonly strides: Triple };
  readonly element: Element;
  /** The integers that the input, padding included, can hold. */
  readonly range: Range;
  readonly padInteger: number;
  /** [outputs, height, width] */
  readonly outputShape: readonly [number, number, number];
  /** Integers [outputs, channels / group, rows, columns]. */
  readonly weights: Int32Array;
  readonly weightRange: Range;
  /** Per output: the root's integer is sum * factor + bias, the sum being that of products of integers. */
  readonly factor: number;
  readonly bias: readonly number[];
  readonly macs: number;
}

const ROOTS: ReadonlySet<string> = new Set(["conv", "gemm"]);
const ONE_PIXEL: Omit<ConvGeometry, "kernel"> = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };

/**
 * @param node makes the stored tensor
 * @returns undefined when the node is not the end of a convolution's or a fully connected layer's chain
 */
export function matchConv(match: Matcher, node: Node): MatchedConv | undefined {
  const chain = readChain(match.graph, node, ({ op }) => ROOTS.has(op));
  if (!chain) return undefined;
  const { root } = chain;
  const x = match.tensor(root.inputs[0]!);
  const weight = match.tensor(root.inputs[1]!);
  const stored = match.storage(x.name, root);
  if (!weight.values || !weight.grid)
    return noKernel(
      `Node "${root.name}" (${root.op}) has weights off the integer grid`,
      "Put a Quant node on them, or compile with --snap.",
    );
  const dense = root.op === "gemm";
  const [input, order] = dense ? denseInput(match, x) : [mapInput(match, x, root), undefined];
  const [rows, columns] = weight.shape.slice(2);
  const geometry = dense ? { ...ONE_PIXEL, kernel: [1, 1] as const } : convGeometry(root, weight.shape);
  const padded = geometry.pads.some((n) => n > 0);
  const padValue = padded ? numberOf(root, "padValue") : 0;
  const range = padded ? (widened(stored.grid, padValue) ?? stored.grid) : stored.grid;
  const outputs = weight.shape[0]!;
  const perOutput = elementCount(weight.shape) / outputs;
  const integers = Int32Array.from(weight.values, (value) => integerOf(value, weight.grid!));
  const { factor, bias } = accumulatorOf(match, root, x, weight);
  const shape = dense ? [outputs, 1, 1] : match.tensor(root.output).shape;
  return {
    chain,
    geometry: dense ? geometry : { ...geometry, kernel: [rows!, columns!] },
    input,
    element: stored,
    range,
    padInteger: integerOf(padValue, stored.grid),
    outputShape: shape as [number, number, number],
    weights: order ? integers.map((_, i) => integers[i - (i % perOutput) + order[i % perOutput]!]!) : integers,
    weightRange: { min: integers.reduce((a, b) => Math.min(a, b)), max: integers.reduce((a, b) => Math.max(a, b)) },
    factor,
    bias,
    macs: elementCount(shape) * perOutput,
  };
}

/** The output may take the place of the shortcut, which is read just before it is written, unless the layer also convolves it. */
export function replacement(conv: MatchedConv, { shortcut, element }: EpilogueDraft): Draft["replaces"] {
  if (!shortcut || shortcut.tensor === conv.input.root || shortcut.element.bytes !== element.bytes) return undefined;
  return { stream: shortcut.tensor, must: false };
}

/** What a kernel hands to the epilogue when its own sum is the sum of products plus `shifted`, per output. */
export function rawSums({ factor, bias }: MatchedConv, ranges: readonly Range[], shifted: readonly number[]): RawSum[] {
  return ranges.map(({ min, max }, k) => {
    const by = shifted[k]!;
    return { min: min + by, max: max + by, factor, bias: bias[k]! - by * factor };
  });
}

/** The range of each output's sum of products. */
export function sumRanges({ weights, outputShape, range }: MatchedConv): Range[] {
  const perOutput = weights.length / outputShape[0];
  return Array.from({ length: outputShape[0] }, (_, k) =>
    rangeOfProducts(weights.subarray(k * perOutput, (k + 1) * perOutput), range),
  );
}

/** The range of the sum of products of weights with integers of a range. */
export function rangeOfProducts(weights: Iterable<number>, range: Range): Range {
  let min = 0;
  let max = 0;
  for (const w of weights) {
    min += w > 0 ? w * range.min : w * range.max;
    max += w > 0 ? w * range.max : w * range.min;
  }
  return { min, max };
}

function accumulatorOf(match: Matcher, root: Node, x: Tensor, weight: Tensor): { factor: number; bias: number[] } {
  const grid = match.tensor(root.output).grid;
  const factor = grid && multipleOf(x.grid!.step * weight.grid!.step, grid.step);
  if (!grid || factor === undefined)
    return noKernel(
      `Node "${root.name}" (${root.op}) leaves the integer grid, by its bias or beyond 32 bits`,
      "Put a Quant node with the product of both scales on its bias, or use fewer bits.",
    );
  const constant = root.inputs[2] === undefined ? undefined : match.tensor(root.inputs[2]).values!;
  const outputs = weight.shape[0]!;
  return { factor, bias: Array.from({ length: outputs }, (_, k) => (constant ? integerOf(constant[k]!, grid) : 0)) };
}

function mapInput(match: Matcher, x: Tensor, root: Node): MatchedConv["input"] {
  if (x.shape.length !== 3) return noKernel(`Node "${root.name}" (${root.op}) reads no feature map`);
  const view = match.view(x.name);
  const [channels, , width] = x.shape as Triple;
  const [channelStride, , pixelStride] = view.strides as Triple;
  const isMap = view.dims.join() === x.shape.join();
  const innermost = (channels === 1 || channelStride === 1) && (width === 1 || pixelStride >= channels);
  const planar = width === 1 || pixelStride === 1;
  // Elements in any other order are copied first.
  return (isMap && (innermost || planar) ? view : wholeTensor(x.name, x.shape)) as MatchedConv["input"];
}

/** A vector as a map of one pixel, and for each of its elements in memory which one it is. */
function denseInput(match: Matcher, x: Tensor): [MatchedConv["input"], Int32Array | undefined] {
  const count = x.shape[0]!;
  let view = match.view(x.name);
  // A flattened map lies in memory with its channels innermost, which no strides of a vector express: its own may.
  const producer = match.producer(x.name);
  if (view.root === x.name && producer && (producer.op === "flatten" || producer.op === "reshape"))
    view = match.view(producer.inputs[0]!);
  const offsets = elementOffsets(view);
  const first = offsets.reduce((a, b) => Math.min(a, b));
  const order = new Int32Array(count).fill(-1);
  offsets.forEach((offset, i) => {
    if (offset - first < count) order[offset - first] = i;
  });
  // Elements that do not lie together are copied to where they do, in order.
  if (order.includes(-1))
    return [{ root: x.name, offset: 0, dims: [count, 1, 1], strides: [1, count, count] }, undefined];
  const input = { root: view.root, offset: first, dims: [count, 1, 1], strides: [1, count, count] } as const;
  return [input, order.every((from, to) => from === to) ? undefined : order];
}
