/** Plans a binarized convolution with everything around it: thresholds in front, alpha, shortcut and rounding behind. */

import { elementCount, type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { isPowerOfTwo, shiftBetween } from "../graph/grid.ts";
import { convGeometry } from "../graph/operators/conv.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import { poolsInPlace } from "./in-place.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { bytesPerPixel, gatherWords, packFilter, packPadPixel, packThresholds } from "./packing.ts";
import type { Shortcut } from "./plan.ts";

/** Bytes behind the words of a filter: i32 base and i32 factor of the accumulator. */
export const RECORD_TAIL_BYTES = 8;
/** Layers of one shape share a function, and so the shift in it: smaller ones are raised to this by scaling alpha up. */
const COMMON_SHIFT = 12;
/** Pixels of a shortcut's window, which are unrolled. */
const MAX_WINDOW = 64;
/** Words of a filter: each is held in a local, and locals lie on wasm3's stack. */
const MAX_WORDS = 80;

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
  const { table, flipped } = packThresholds(match.tensor(sign.inputs[1]!).values!, numbersOf(sign, "rising"));
  const taps = channels * kernel[0] * kernel[1];
  const padPixel = packPadPixel(channels, padValue > 0, flipped);
  const pixelBytes = padPixel.length;
  const header = new Uint8Array(table.length + align(pixelBytes));
  header.set(table);
  header.set(padPixel, table.length);
  const record = words.length * 8 + RECORD_TAIL_BYTES;
  const weights = new Uint8Array(header.length + outputs * record);
  weights.set(header);
  const view = new DataView(weights.buffer);
  const added = shortcut.kind === "none" ? 0 : match.grid(shortcutTensor!, sum);
  const shortcutReach = added === 0 ? 0 : (Math.max(added.max, -added.min) * added.step) / unit;
  const reach = (Math.max(alpha.grid.max, -alpha.grid.min) * alpha.grid.step * 2 * taps) / unit + shortcutReach;
  if (reach >= 2 ** 31) noKernel(`Node "${scaled.name}" (mul) overflows 32 bits`, "Use fewer bits for alpha.");
  for (let k = 0; k < outputs; k++) {
    const at = header.length + k * record;
    weights.set(packFilter(weight.values.subarray(k * taps, (k + 1) * taps), channels, kernel, words, flipped), at);
    // taps - 2 * mismatches is the sum of products of +-1; both factors carry alpha in units of the sum's step.
    const factor = alpha.values[alpha.values.length === 1 ? 0 : k]! * (1 / unit);
    view.setInt32(at + words.length * 8, taps * factor, true);
    view.setInt32(at + words.length * 8 + 4, 2 * factor, true);
  }
  const bitsBytes = (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * pixelBytes;
  const [scratch, bits] = [bufferName("weights", quantiser.output), bufferName("bits", quantiser.output)];
  return {
    name: quantiser.output,
    buffers: [
      { name: sign.inputs[0]!, bytes: elementCount(input.shape) + SLACK },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      { name: bits, bytes: bitsBytes + SLACK },
      { name: scratch, bytes: weights.length },
    ],
    weights,
    operations: elementCount(outputShape) * (5 * words.length + 14) + (elementCount(input.shape) / 8) * 14,
    why: "weights and activations of +-1: xor and popcount, 64 products at a time",
    replaces: replacement(
      shortcut,
      sign.inputs[0]!,
      [channels, height, width],
      outputShape as [number, number, number],
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
      recordsOffset: header.length,
      shortcut,
      shift,
    }),
  };
}

function replacement(
  shortcut: Shortcut,
  stream: string,
  input: readonly [number, number, number],
  output: readonly [number, number, number],
): Draft["replaces"] {
  if (shortcut.kind === "identity") return { stream, must: true };
  const inPlace = shortcut.kind === "pooled" && poolsInPlace(input, output, shortcut.window);
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
