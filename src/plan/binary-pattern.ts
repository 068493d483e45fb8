/**
 * Recognises a binarized convolution with everything around it: the thresholds in front, alpha, shortcut and rounding behind. What its
 * kernels, portable and native, have in common.
 */
import { type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { isPowerOfTwo, shiftBetween } from "../graph/grid.ts";
import { type ConvGeometry, convGeometry } from "../graph/operators/conv.ts";
import type { Shortcut } from "./binary-layers.ts";
import { type Draft, noKernel } from "./draft.ts";
import { poolsInPlace } from "./in-place.ts";
import type { Matcher } from "./matcher.ts";

/** Layers of one shape share a function, and so the shift in it: smaller ones are raised to this by scaling alpha up. */
const COMMON_SHIFT = 12;
/** Pixels of a shortcut's window, which are unrolled. */
const MAX_WINDOW = 64;

export interface BinaryConvPattern extends Pick<ConvGeometry, "kernel" | "strides" | "pads"> {
  readonly conv: Node;
  /** The 8-bit stream that is thresholded to bits. */
  readonly stream: string;
  readonly inputShape: readonly [number, number, number];
  readonly outputShape: readonly [number, number, number];
  /** Whether a padding pixel is +1 rather than -1. */
  readonly padPositive: boolean;
  /** Per input channel; where it rises a bit is n >= threshold, elsewhere -n - 1 >= threshold. */
  readonly thresholds: Float64Array;
  readonly rising: readonly number[];
  /** +1 and -1, [outputs, channels, rows, columns]. */
  readonly weights: Float64Array;
  /** Integers per output channel: out = clip((alpha * sum + (shortcut << leftShift)) >> shift), in 32 bits. */
  readonly alpha: readonly number[];
  readonly shift: number;
  readonly shortcut: Shortcut;
  /** The range of what the shortcut adds, in units of the accumulator. */
  readonly added: { readonly low: number; readonly high: number };
}

/**
 * @param quantiser the quant node whose result the layer makes
 * @param sum what it quantises: alpha * conv, with or without a shortcut
 * @throws HedgeError naming what does not fit
 */
export function matchBinaryConv(match: Matcher, quantiser: Node, sum: Node): BinaryConvPattern {
  const outputStep = match.flooringQuant(quantiser, -128, 127);
  const sumGrid = match.grid(sum.output, sum);
  const [scaled, shortcutTensor] = operandsOf(match, sum);
  const conv = match.expect("conv", scaled.inputs[0]!, scaled);
  const sign = match.expect("threshold", conv.inputs[0]!, conv);
  const input = match.stream(sign.inputs[0]!, sign);
  const weight = match.tensor(conv.inputs[1]!);
  const alpha = match.tensor(scaled.inputs[1]!);
  if (numberOf(sign, "scale") !== 2 || numberOf(sign, "offset") !== -0.5)
    noKernel(`Node "${sign.name}" does not quantise to -1 and +1`, "Only binarized convolutions compile so far.");
  if (conv.inputs[2] || !weight.values?.every((w) => w === 1 || w === -1))
    noKernel(
      `Node "${conv.name}" (conv) has a bias or weights other than -1 and +1`,
      "Binarize its weights and fold its bias into the next batch norm.",
    );
  if (!alpha.values || !alpha.grid)
    return noKernel(
      `Node "${scaled.name}" (mul) has factors off the integer grid`,
      "Put a Quant node with a power-of-two scale on alpha.",
      "H402",
    );
  const { kernel, strides, pads, dilations, group } = convGeometry(conv, weight.shape);
  if (group !== 1 || dilations.some((n) => n !== 1)) noKernel(`Node "${conv.name}" (conv) has groups or dilations`);
  const padValue = numberOf(conv, "padValue");
  if (pads.some((n) => n > 0) && Math.abs(padValue) !== 1)
    noKernel(
      `Node "${conv.name}" (conv) pads a binarized map with ${padValue}`,
      "Pad it with -1 or +1: a Pad node behind the sign.",
    );

  const outputShape = match.tensor(quantiser.output).shape as [number, number, number];
  const inputShape = input.shape as [number, number, number];
  const ownShift = shiftBetween(outputStep, sumGrid.step);
  if (ownShift < 0 || ownShift > 30) noKernel(`Node "${quantiser.name}" quantises finer than its input's grid`);
  const shift = Math.max(ownShift, COMMON_SHIFT);
  /** What the integer 1 of the accumulator is worth. */
  const unit = outputStep * 2 ** -shift;
  const shortcut = planShortcut(match, shortcutTensor, sign.inputs[0]!, unit, sum);
  const taps = inputShape[0] * kernel[0] * kernel[1];
  const grid = shortcutTensor === undefined ? undefined : match.grid(shortcutTensor, sum);
  const added = grid
    ? { low: (grid.min * grid.step) / unit, high: (grid.max * grid.step) / unit }
    : { low: 0, high: 0 };
  const most = (Math.max(alpha.grid.max, -alpha.grid.min) * alpha.grid.step * 2 * taps) / unit;
  if (most + Math.max(added.high, -added.low) >= 2 ** 31)
    noKernel(`Node "${scaled.name}" (mul) overflows 32 bits`, "Use fewer bits for alpha.", "H402");
  const factors = alpha.values;
  return {
    conv,
    stream: sign.inputs[0]!,
    inputShape,
    outputShape,
    kernel,
    strides,
    pads,
    padPositive: padValue > 0,
    thresholds: match.tensor(sign.inputs[1]!).values!,
    rising: numbersOf(sign, "rising"),
    weights: weight.values,
    alpha: Array.from({ length: outputShape[0] }, (_, k) => factors[factors.length === 1 ? 0 : k]! / unit),
    shift,
    shortcut,
    added,
  };
}

/**
 * A shortcut that is the stream itself is replaced in place; a pooled one where that is sound.
 * @param block pixels that a kernel computes at a time, channel by channel
 * @param entering rows that it reads before the first row of outputs, and before each later one
 */
export function replacedStream(
  { stream, inputShape, outputShape, shortcut }: BinaryConvPattern,
  block: number,
  entering?: readonly [first: number, then: number],
): Draft["replaces"] {
  if (shortcut.kind === "identity") return { stream, must: true };
  const inPlace = shortcut.kind === "pooled" && poolsInPlace(inputShape, outputShape, shortcut.window, block, entering);
  return inPlace ? { stream, must: false } : undefined;
}

/** Splits alpha * conv [+ shortcut] into the multiplication and the shortcut's tensor. */
function operandsOf(match: Matcher, sum: Node): [Node, string | undefined] {
  if (sum.op === "mul") return [sum, undefined];
  if (sum.op !== "add")
    return noKernel(`Node "${sum.name}" (${sum.op}) is not a scaled convolution with or without a shortcut`);
  const [a, b] = sum.inputs as [string, string];
  const left = match.maybe("mul", a);
  return left ? [left, b] : [match.expect("mul", b, sum), a];
}

function planShortcut(match: Matcher, tensor: string | undefined, stream: string, unit: number, sum: Node): Shortcut {
  if (tensor === undefined) return { kind: "none" };
  const leftShift = shiftBetween(match.grid(tensor, sum).step, unit);
  if (leftShift > 30) noKernel(`Node "${sum.name}" adds tensors whose steps are 2^${leftShift} apart`);
  if (tensor === stream) return { kind: "identity", leftShift };
  const pad = match.maybe("pad", tensor);
  if (
    pad &&
    (numbersOf(pad, "before").some((n) => n > 0) ||
      numbersOf(pad, "after")
        .slice(1)
        .some((n) => n > 0) ||
      numberOf(pad, "value") !== 0)
  )
    noKernel(`Node "${pad.name}" (pad) in a shortcut does more than add zero channels behind`);
  const pool = match.expect("averagePool", pad ? pad.inputs[0]! : tensor, pad ?? sum);
  const [kh, kw] = numbersOf(pool, "kernel") as [number, number];
  if (
    pool.inputs[0] !== stream ||
    numbersOf(pool, "strides").join() !== [kh, kw].join() ||
    !isPowerOfTwo(kh * kw) ||
    kh * kw > MAX_WINDOW
  )
    noKernel(
      `Node "${pool.name}" (averagePool) in a shortcut must pool the convolution's input by whole windows of a power of two, at most ${MAX_WINDOW}`,
    );
  return { kind: "pooled", window: [kh, kw], leftShift };
}
