/** Plans a binarized convolution with everything around it, by xor and popcount in 64-bit words. */
import { elementCount, type Node } from "../graph/graph.ts";
import { type BinaryConvPattern, matchBinaryConv, replacedStream } from "./binary-pattern.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { bytesPerPixel, filterBytes, gatherWords, packFilter, packPadPixel, packThresholds } from "./packing.ts";
import type { Shortcut } from "./plan.ts";

/** Bytes behind the words of a filter: i32 base and i32 factor of the accumulator. */
export const RECORD_TAIL_BYTES = 8;
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
  const pattern = matchBinaryConv(match, quantiser, sum);
  const { conv, stream, inputShape, outputShape, kernel, strides, pads, alpha, shift, shortcut } = pattern;
  const [channels, height, width] = inputShape;
  const words = gatherWords(kernel[0], kernel[1] * bytesPerPixel(channels));
  if (words.length > MAX_WORDS)
    noKernel(
      `Node "${conv.name}" (conv) looks at ${words.length} words of 64 bits per pixel, more than ${MAX_WORDS}`,
      "Use fewer channels or a smaller kernel.",
    );
  const taps = channels * kernel[0] * kernel[1];
  const clip = clipRange(pattern, taps);

  const { table, flipped } = packThresholds(pattern.thresholds, pattern.rising);
  const padPixel = packPadPixel(channels, pattern.padPositive, flipped);
  const pixelBytes = padPixel.length;
  const countsOffset = table.length + align(pixelBytes);
  const recordsOffset = countsOffset + 8;
  const record = filterBytes(words) + RECORD_TAIL_BYTES;
  const weights = new Uint8Array(recordsOffset + outputShape[0] * record);
  weights.set(table);
  weights.set(padPixel, table.length);
  const view = new DataView(weights.buffer);
  view.setInt32(countsOffset, clip?.below ?? 0, true);
  view.setInt32(countsOffset + 4, clip?.above ?? 0, true);
  for (let k = 0; k < outputShape[0]; k++) {
    const at = recordsOffset + k * record;
    const tail = at + record - RECORD_TAIL_BYTES;
    weights.set(packFilter(pattern.weights.subarray(k * taps, (k + 1) * taps), channels, kernel, words, flipped), at);
    // taps - 2 * mismatches is the sum of products of +-1.
    view.setInt32(tail, taps * alpha[k]! + (clip ? (clip.below + 128) * 2 ** shift : 0), true);
    view.setInt32(tail + 4, 2 * alpha[k]!, true);
  }
  const block = blockOf(outputShape[2], words.length, shortcut);
  const bitsBytes = (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * pixelBytes;
  const [scratch, bits] = [bufferName("weights", quantiser.output), bufferName("bits", quantiser.output)];
  return {
    name: quantiser.output,
    buffers: [
      { name: stream, bytes: elementCount(inputShape) + SLACK },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      { name: bits, bytes: bitsBytes + SLACK },
      { name: scratch, bytes: weights.length },
      ...(clip ? [{ name: CLIP_BUFFER, bytes: clip.below + 256 + clip.above }] : []),
    ],
    weights,
    operations:
      elementCount(outputShape) * (4 * words.length + 10 + (2 * words.length + 14) / block) +
      (elementCount(inputShape) / 8) * 14,
    why: "weights and activations of +-1: xor and popcount, 64 products at a time",
    replaces: replacedStream(pattern, block),
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
      input: region(stream),
      inputShape,
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
 * @returns undefined when a table that limits them would be too large
 */
function clipRange(
  { alpha, shift, added }: BinaryConvPattern,
  taps: number,
): { below: number; above: number } | undefined {
  const most = taps * alpha.reduce((max, factor) => Math.max(max, Math.abs(factor)), 0);
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
