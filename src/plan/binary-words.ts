/** What binarized convolutions have in common, whatever they end in: bits in words, filters in records, pixels in blocks. */
import { elementCount } from "../graph/graph.ts";
import type { BinaryConvLayer } from "./binary-layers.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import { align } from "./memory.ts";
import { bytesPerPixel, filterBytes, gatherWords, packFilter, packPadPixel, packThresholds } from "./packing.ts";
import type { Region } from "./plan.ts";

/** Words of 64 bits that are held in locals: a microcontroller's wasm3 has room for 128 values in a function, and 256 halves of words. */
const MAX_WORDS = 80;
/** Pixels are unrolled, into at most about so many words of wasm3's code, which lies in RAM. */
const MAX_CODE_WORDS = 540;
const MAX_BLOCK = 16;

export interface BinaryFilters {
  /** The tensor that the layer makes. */
  readonly name: string;
  /** Of the convolution, for messages. */
  readonly conv: string;
  readonly inputShape: readonly [number, number, number];
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  /** Whether a padding pixel is +1 rather than -1. */
  readonly padPositive: boolean;
  /** Of an 8-bit input; a stored input of -1 and +1 has none. */
  readonly signs?: { readonly thresholds: ArrayLike<number>; readonly rising: ArrayLike<number> };
  /** +1 and -1, [outputs, channels, rows, columns]. */
  readonly weights: { subarray(from: number, to: number): ArrayLike<number> };
  /** Constants of the ending for the whole layer, and behind each filter; both in whole i32. */
  readonly constants: Uint8Array;
  readonly tail: (output: number) => Uint8Array;
  /** About what the ending of one pixel takes of wasm3's code, and how many operations it dispatches. */
  readonly endingWords: number;
  readonly endingOperations: number;
}

export interface BinaryWords extends Pick<Draft, "buffers" | "weights" | "operations"> {
  readonly constantsOffset: number;
  readonly block: number;
  readonly finish: (region: (name: string) => Region) => BinaryFields;
}

type BinaryFields = Omit<BinaryConvLayer, "outputShape" | "output" | "weights" | "input" | "ending">;

/** @throws HedgeError when a pixel's neighbourhood does not fit wasm3's locals */
export function planBinaryWords(filters: BinaryFilters): BinaryWords {
  const { name, inputShape, map, kernel, strides, pads, signs, endingWords, endingOperations } = filters;
  const [channels, height, width] = inputShape;
  const words = gatherWords(kernel[0], kernel[1] * bytesPerPixel(channels));
  if (words.length > MAX_WORDS)
    noKernel(
      `Node "${filters.conv}" (conv) looks at ${words.length} words of 64 bits per pixel, more than ${MAX_WORDS}`,
      "Use fewer channels or a smaller kernel.",
    );
  const block = blockOf(map[2], words.length, endingWords);
  const { weights, ...offsets } = packRecords(filters, words);
  const bitsBytes = (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * bytesPerPixel(channels);
  const [scratch, bits] = [bufferName("weights", name), bufferName("bits", name)];
  const perOutput = 4 * words.length + endingOperations + (2 * words.length + 14) / block;
  const perEight = signs ? 10 : 5;
  return {
    block,
    weights,
    buffers: [
      { name: bits, bytes: bitsBytes + SLACK },
      { name: scratch, bytes: weights.length },
    ],
    operations: elementCount(map) * perOutput + (elementCount(inputShape) / 8) * perEight,
    constantsOffset: offsets.constantsOffset,
    finish: (region) => ({
      kind: "binary-conv",
      name,
      scratch: region(scratch),
      macs: elementCount(map) * channels * kernel[0] * kernel[1],
      weightBits: 1,
      activationBits: 1,
      inputShape,
      map,
      strides,
      pads,
      thresholds: signs !== undefined,
      bits: region(bits),
      words,
      padPixelOffset: offsets.padPixelOffset,
      recordsOffset: offsets.recordsOffset,
      recordBytes: offsets.recordBytes,
      block,
    }),
  };
}

/** In this order: tables of thresholds, the padding pixel, the ending's constants, a record per filter. */
function packRecords(filters: BinaryFilters, words: BinaryConvLayer["words"]) {
  const { inputShape, map, kernel, signs, constants } = filters;
  const channels = inputShape[0];
  // Of stored bytes the sign bit is taken, which is set for -1.
  const { table, flipped } = signs
    ? packThresholds(signs.thresholds, signs.rising)
    : { table: new Uint8Array(0), flipped: new Uint8Array(channels).fill(1) };
  const padPixel = packPadPixel(channels, filters.padPositive, flipped);
  const taps = channels * kernel[0] * kernel[1];
  const constantsOffset = table.length + align(padPixel.length);
  const recordsOffset = constantsOffset + constants.length;
  const recordBytes = filterBytes(words) + filters.tail(0).length;
  const weights = new Uint8Array(recordsOffset + map[0] * recordBytes);
  weights.set(table);
  weights.set(padPixel, table.length);
  weights.set(constants, constantsOffset);
  for (let k = 0; k < map[0]; k++) {
    const at = recordsOffset + k * recordBytes;
    weights.set(packFilter(filters.weights.subarray(k * taps, (k + 1) * taps), channels, kernel, words, flipped), at);
    weights.set(filters.tail(k), at + filterBytes(words));
  }
  return { weights, padPixelOffset: table.length, constantsOffset, recordsOffset, recordBytes };
}

/** How many pixels of a row meet a filter at a time: equal blocks, if they need not be much smaller for it. */
function blockOf(width: number, words: number, endingWords: number): number {
  const fitting = Math.min(Math.floor(MAX_WORDS / words) - 1, Math.floor(MAX_CODE_WORDS / (8 * words + endingWords)));
  const most = Math.max(1, Math.min(MAX_BLOCK, fitting, width));
  for (let block = most; block > most / 2; block--) if (width % block === 0) return block;
  return Math.ceil(width / Math.ceil(width / most));
}
