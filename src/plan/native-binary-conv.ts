/** Plans a binarized convolution for the native kernel `binary_conv`. */
import { elementCount, type Node } from "../graph/graph.ts";
import { type BinaryConvPattern, matchBinaryConv, replacedStream } from "./binary-pattern.ts";
import { bufferName, type Draft, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { NativeConstants, nativeDraft, windowWords } from "./native-descriptor.ts";
import { bytesPerPixel, packPadPixel } from "./packing.ts";

const DESCRIPTOR_WORDS = 25;
/** Words of 32 bits of a filter that the kernel holds. */
const MAX_WORDS = 160;
/** Bytes behind the words of a filter: i32 base and i32 factor of the mismatches. */
const RECORD_TAIL_BYTES = 8;
const SHORTCUTS = { none: 0, identity: 1, pooled: 2 } as const;

export function draftNativeBinaryConv(match: Matcher, quantiser: Node, sum: Node): Draft | undefined {
  const pattern = matchBinaryConv(match, quantiser, sum);
  const { inputShape, outputShape, kernel, pads, shortcut, shift, stream } = pattern;
  const [channels, height, width] = inputShape;
  const pixelBytes = bytesPerPixel(channels);
  const filterBytes = align(kernel[0] * kernel[1] * pixelBytes, 4);
  if (filterBytes > 4 * MAX_WORDS) return undefined;
  const { thresholds, flipped } = signThresholds(pattern.thresholds, pattern.rising);
  const constants = new NativeConstants(DESCRIPTOR_WORDS);
  const thresholdsAt = constants.add(thresholds);
  const padPixelAt = constants.add(packPadPixel(channels, pattern.padPositive, flipped));
  const recordsAt = constants.add(packRecords(pattern, filterBytes, flipped));
  const bits = bufferName("bits", quantiser.output);
  const bitsBytes = (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * pixelBytes;
  const taps = channels * kernel[0] * kernel[1];
  return nativeDraft({
    name: quantiser.output,
    kernel: "binary_conv",
    why: "weights and activations of +-1, by the host's kernel",
    buffers: [
      { name: stream, bytes: elementCount(inputShape) + SLACK },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      { name: bits, bytes: bitsBytes },
    ],
    replaces: replacedStream(pattern, 1),
    constants,
    outputShape,
    macs: elementCount(outputShape) * taps,
    weightBits: 1,
    activationBits: 1,
    descriptor: (region, scratch) => [
      region(stream).address,
      region(quantiser.output).address,
      region(bits).address,
      ...windowWords(inputShape, outputShape, pattern),
      shift,
      SHORTCUTS[shortcut.kind],
      shortcut.kind === "none" ? 0 : shortcut.leftShift,
      ...(shortcut.kind === "pooled" ? shortcut.window : [1, 1]),
      scratch + thresholdsAt,
      scratch + padPixelAt,
      scratch + recordsAt,
    ],
  });
}

/**
 * Thresholds as signed bytes: the stored bit is n >= threshold. A falling channel (-n - 1 >= t, that is n < -t) is stored inverted, as
 * flipped; a threshold that no byte reaches is one that all reach, flipped.
 */
function signThresholds(thresholds: ArrayLike<number>, rising: ArrayLike<number>) {
  const flipped = Uint8Array.from(rising, (rises) => (rises ? 0 : 1));
  const signed = Int8Array.from(thresholds, (threshold, c) => {
    const t = rising[c] ? threshold : -threshold;
    if (t <= 127) return t;
    flipped[c]! ^= 1;
    return -128;
  });
  return { thresholds: signed, flipped };
}

/** Per output: the filter's bits, kernel rows one after another, a pixel's in whole bytes; then base and factor. */
function packRecords(
  { weights, inputShape, outputShape, kernel, alpha }: BinaryConvPattern,
  filterBytes: number,
  flipped: ArrayLike<number>,
): Uint8Array {
  const channels = inputShape[0];
  const area = kernel[0] * kernel[1];
  const pixelBytes = bytesPerPixel(channels);
  const recordBytes = filterBytes + RECORD_TAIL_BYTES;
  const records = new Uint8Array(outputShape[0] * recordBytes);
  const view = new DataView(records.buffer);
  for (let k = 0; k < outputShape[0]; k++) {
    const at = k * recordBytes;
    for (let c = 0; c < channels; c++)
      for (let tap = 0; tap < area; tap++)
        if (weights[(k * channels + c) * area + tap]! > 0 !== (flipped[c] === 1))
          records[at + tap * pixelBytes + (c >> 3)]! |= 1 << (c & 7);
    // taps - 2 * mismatches is the sum of products of +-1.
    view.setInt32(at + filterBytes, channels * area * alpha[k]!, true);
    view.setInt32(at + filterBytes + 4, 2 * alpha[k]!, true);
  }
  return records;
}
