/** Plans a binarized convolution with everything around it: thresholds in front, alpha, shortcut and rounding behind. */

import { elementCount, type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { isPowerOfTwo, shiftBetween } from "../graph/grid.ts";
import { convGeometry } from "../graph/operators/conv.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import { poolsInPlace } from "./in-place.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { bytesPerPixel, filterBytes, gatherWords, packFilter, packPadPixel, packThresholds } from "./packing.ts";
import type { Shortcut } from "./plan.ts";

/** Bytes behind the words of a filter: i32 base and i32 factor of the accumulator. */
export const RECORD_TAIL_BYTES = 8;
/** Layers of one shape share a function, and so the shift in it: smaller ones are raised to this by scaling alpha up. */
const COMMON_SHIFT = 12;
/** Pixels of a shortcut's window, which are unrolled. */
const MAX_WINDOW = 64;
/** Words of 64 bits that are held in locals: a microcontroller's wasm3 has room for 128 values in a function, and 256 halves of words. */
const MAX_WORDS = 80;
/** Pixels are unrolled, into at most about so many words of wasm3's code, which lies in RAM. */
const MAX_CODE_WORDS = 540;
const MAX_BLOCK = 16;
/** Bytes of a table that limits outputs. */
const MAX_CLIP_TABLE = 5120;
const CLIP_BUFFER = bufferName("clip");

/**
 * @param quantiser the quant node whose result the layer makes
 * @param sum what it quantises: alpha * conv, with or without a shortcut
 */
export function draftBinaryConv(match: Matcher, quantiser: Node, sum: Node): Draft {
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
    );
  const { kernel, strides, pads } = convGeometry(conv, weight.shape);
  const padValue = numberOf(conv, "padValue");
  if (pads.some((n) => n > 0) && Math.abs(padValue) !== 1)
    noKernel(
      `Node "${conv.name}" (conv) pads a binarized map with ${padValue}`,
      "Pad it with -1 or +1: a Pad node behind the sign.",
    );

  const outputShape = match.tensor(quantiser.output).shape;
  const [channels, height, width] = input.shape as [number, number, number];
  const outputs = outputShape[0]!;
  const ownShift = shiftBetween(outputStep, sumGrid.step);
  if (ownShift < 0 || ownShift > 30) noKernel(`Node "${quantiser.name}" quantises finer than its input's grid`);
  const shift = Math.max(ownShift, COMMON_SHIFT);
  /** What the integer 1 of the accumulator is worth. */
  const unit = outputStep * 2 ** -shift;
  const shortcut = planShortcut(match, shortcutTensor, sign.inputs[0]!, unit, sum);

  const words = gatherWords(kernel[0], kernel[1] * bytesPerPixel(channels));
  if (words.length > MAX_WORDS)
    noKernel(
      `Node "${conv.name}" (conv) looks at ${words.length} words of 64 bits per pixel, more than ${MAX_WORDS}`,
      "Use fewer channels or a smaller kernel.",
    );
  const taps = channels * kernel[0] * kernel[1];
  const added = shortcut.kind === "none" ? undefined : match.grid(shortcutTensor!, sum);
  const shortcutReach = added ? (Math.max(added.max, -added.min) * added.step) / unit : 0;
  const reach = (Math.max(alpha.grid.max, -alpha.grid.min) * alpha.grid.step * 2 * taps) / unit + shortcutReach;
  if (reach >= 2 ** 31) noKernel(`Node "${scaled.name}" (mul) overflows 32 bits`, "Use fewer bits for alpha.");
  // Alpha per channel, in units of the accumulator.
  const factors = Float64Array.from(
    { length: outputs },
    (_, k) => alpha.values![alpha.values!.length === 1 ? 0 : k]! / unit,
  );
  const clip = clipRange(
    factors,
    taps,
    shift,
    added && { low: (added.min * added.step) / unit, high: (added.max * added.step) / unit },
  );

  const { table, flipped } = packThresholds(match.tensor(sign.inputs[1]!).values!, numbersOf(sign, "rising"));
  const padPixel = packPadPixel(channels, padValue > 0, flipped);
  const pixelBytes = padPixel.length;
  const countsOffset = table.length + align(pixelBytes);
  const recordsOffset = countsOffset + 8;
  const record = filterBytes(words) + RECORD_TAIL_BYTES;
  const weights = new Uint8Array(recordsOffset + outputs * record);
  weights.set(table);
  weights.set(padPixel, table.length);
  const view = new DataView(weights.buffer);
  view.setInt32(countsOffset, clip?.below ?? 0, true);
  view.setInt32(countsOffset + 4, clip?.above ?? 0, true);
  for (let k = 0; k < outputs; k++) {
    const at = recordsOffset + k * record;
    const tail = at + record - RECORD_TAIL_BYTES;
    weights.set(packFilter(weight.values.subarray(k * taps, (k + 1) * taps), channels, kernel, words, flipped), at);
    // taps - 2 * mismatches is the sum of products of +-1.
    view.setInt32(tail, taps * factors[k]! + (clip ? (clip.below + 128) * 2 ** shift : 0), true);
    view.setInt32(tail + 4, 2 * factors[k]!, true);
  }
  const block = blockOf(outputShape[2]!, words.length, shortcut);
  const bitsBytes = (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * pixelBytes;
  const [scratch, bits] = [bufferName("weights", quantiser.output), bufferName("bits", quantiser.output)];
  return {
    name: quantiser.output,
    buffers: [
      { name: sign.inputs[0]!, bytes: elementCount(input.shape) + SLACK },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      { name: bits, bytes: bitsBytes + SLACK },
      { name: scratch, bytes: weights.length },
      ...(clip ? [{ name: CLIP_BUFFER, bytes: clip.below + 256 + clip.above }] : []),
    ],
    weights,
    operations:
      elementCount(outputShape) * (4 * words.length + 10 + (2 * words.length + 14) / block) +
      (elementCount(input.shape) / 8) * 14,
    why: "weights and activations of +-1: xor and popcount, 64 products at a time",
    replaces: replacement(
      shortcut,
      sign.inputs[0]!,
      [channels, height, width],
      outputShape as [number, number, number],
      block,
    ),
    finish: (region, slice) => ({
      kind: "binary-conv",
      name: quantiser.output,
      outputShape,
      output: region(quantiser.output),
      weights: slice,
      scratch: region(scratch),
      macs: elementCount(outputShape) * taps,
      weightBits: 1,
      activationBits: 1,
      input: region(sign.inputs[0]!),
      inputShape: [channels, height, width],
      bits: region(bits),
      kernel,
      strides,
      pads,
      words,
      padPixelOffset: table.length,
      recordsOffset,
      block,
      shortcut,
      shift,
      ...(clip && { clipTable: { region: region(CLIP_BUFFER), countsOffset } }),
    }),
  };
}

/**
 * How many of the integers that may occur lie outside a signed byte.
 * @param factors alpha of each channel, in units of 2^-shift of the output's step; so is the range of what is added
 * @returns undefined when a table that limits them would be too large
 */
function clipRange(
  factors: Float64Array,
  taps: number,
  shift: number,
  added = { low: 0, high: 0 },
): { below: number; above: number } | undefined {
  const most = taps * factors.reduce((max, factor) => Math.max(max, Math.abs(factor)), 0);
  const low = Math.floor((added.low - most) / 2 ** shift);
  const high = Math.floor((added.high + most) / 2 ** shift);
  const range = { below: Math.max(0, -128 - low), above: Math.max(0, high - 127) };
  const entries = range.below + 256 + range.above;
  return entries <= MAX_CLIP_TABLE && entries * 2 ** shift < 2 ** 31 ? range : undefined;
}

/** How many pixels of a row meet a filter at a time: equal blocks, if they need not be much smaller for it. */
function blockOf(width: number, words: number, shortcut: Shortcut): number {
  const window = shortcut.kind === "pooled" ? shortcut.window[0] * shortcut.window[1] : 0;
  // About what the emitted operations of a pixel take; a pooled shortcut has one loop for channels with it and one for those without.
  const code = window > 0 ? 2 * (8 * words + 19) + 7 * window : 8 * words + 24;
  const most = Math.max(1, Math.min(MAX_BLOCK, Math.floor(MAX_WORDS / words) - 1, Math.floor(MAX_CODE_WORDS / code)));
  for (let block = Math.min(most, width); block > most / 2; block--) if (width % block === 0) return block;
  return Math.ceil(width / Math.ceil(width / most));
}

function replacement(
  shortcut: Shortcut,
  stream: string,
  input: readonly [number, number, number],
  output: readonly [number, number, number],
  block: number,
): Draft["replaces"] {
  if (shortcut.kind === "identity") return { stream, must: true };
  const inPlace = shortcut.kind === "pooled" && poolsInPlace(input, output, shortcut.window, block);
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
