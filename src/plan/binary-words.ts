/** What binarized convolutions have in common, whatever they end in: bits in words, filters in records, pixels in blocks. */
import { elementCount, type Graph, numbersOf, tensorOf } from "../graph/graph.ts";
import type { BinaryConvLayer } from "./binary-layers.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import { align } from "./memory.ts";
import { bytesPerPixel, filterBytes, gatherWords, packFilter, packPadPixel, packThresholds } from "./packing.ts";
import type { Region } from "./plan.ts";

/** Words of 64 bits that are held in locals: a microcontroller's wasm3 has room for 128 values in a function, and 256 halves of words. */
const MAX_WORDS = 81;
/**
 * Pixels are unrolled. wasm3's code lies in RAM: about so many of its words are for the pixels of all binarized convolutions, in equal parts for
 * each of their shapes, which are a function each.
 */
const CODE_WORDS = 1350;
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
export function planBinaryWords(graph: Graph, filters: BinaryFilters): BinaryWords {
  const { name, inputShape, map, kernel, strides, pads, signs, endingWords, endingOperations } = filters;
  const [channels, , width] = inputShape;
  const columnBytes = kernel[0] * bytesPerPixel(channels);
  const words = gatherWords(1, kernel[1] * columnBytes);
  if (words.length > MAX_WORDS)
    noKernel(
      `Node "${filters.conv}" (conv) looks at ${words.length} words of 64 bits per pixel, more than ${MAX_WORDS}`,
      "Use fewer channels or a smaller kernel.",
    );
  if (pads[0] >= kernel[0])
    noKernel(`Node "${filters.conv}" (conv) has rows of outputs that see nothing but padding`, "Use less padding.");
  const pixelWords = 13 * words.length + endingWords;
  const fitting = Math.min(
    (8 * MAX_WORDS) / filterBytes(words) - 1,
    CODE_WORDS / shapesOf(graph) / pixelWords,
    MAX_BLOCK,
  );
  const block = blockOf(map[2], Math.max(1, Math.floor(fitting)));
  const { weights, ...offsets } = packRecords(filters, words);
  const [scratch, bits] = [bufferName("weights", name), bufferName("bits", name)];
  const perOutput = 4 * words.length + endingOperations + (2 * words.length + 14) / block;
  const perEight = signs ? 10 : 5;
  return {
    block,
    weights,
    buffers: [
      { name: bits, bytes: (width + pads[1] + pads[3]) * columnBytes + SLACK },
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
      kernel,
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
    const filter = byColumns(filters.weights.subarray(k * taps, (k + 1) * taps), kernel);
    weights.set(packFilter(filter, channels, [1, kernel[0] * kernel[1]], words, flipped), at);
    weights.set(filters.tail(k), at + filterBytes(words));
  }
  return { weights, padPixelOffset: table.length, constantsOffset, recordsOffset, recordBytes };
}

/** [channels, rows, columns] as [channels, columns, rows]. */
function byColumns(filter: ArrayLike<number>, [rows, columns]: readonly [number, number]): number[] {
  const area = rows * columns;
  return Array.from({ length: filter.length }, (_, i) => {
    const [y, x] = [i % rows, Math.floor((i % area) / rows)];
    return filter[i - (i % area) + y * columns + x]!;
  });
}

/** How many pixels of a row meet a filter at a time: equal blocks, if they need not be much smaller for it. */
function blockOf(width: number, fitting: number): number {
  const most = Math.min(width, fitting);
  for (let block = most; block > most / 2; block--) if (width % block === 0) return block;
  return Math.ceil(width / Math.ceil(width / most));
}

const shapes = new WeakMap<Graph, number>();

/** How many shapes of binarized convolutions a model has. */
function shapesOf(graph: Graph): number {
  const known = shapes.get(graph);
  if (known !== undefined) return known;
  const keys = graph.nodes.flatMap((node) => {
    const [x, w] = node.inputs.map((name) => tensorOf(graph, name));
    if (node.op !== "conv" || x?.grid?.min !== -1 || x.grid.max !== 1) return [];
    return [JSON.stringify([x.shape, w!.shape, numbersOf(node, "strides")])];
  });
  const count = Math.max(1, new Set(keys).size);
  shapes.set(graph, count);
  return count;
}
