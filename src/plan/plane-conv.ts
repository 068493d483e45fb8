/**
 * Plans convolutions in bit planes: with activations and weights as sums of planes, the sum of products is that of
 * coefficient * coefficient * popcount(plane & plane) over all pairs, 64 products at a time. What the planes' constants add is, for
 * those of the activations, a constant of each output, and for the weights' one number per pixel: the sum of the activations.
 */
import type { Node } from "../graph/graph.ts";
import { type BitPlanes, bitPlanes, commonStep } from "./bit-planes.ts";
import { BLOCK_BYTES, type Blocks, divideOutputs, firstOutput, overlap } from "./blocks.ts";
import { joined, padded } from "./bytes.ts";
import { type MatchedConv, matchConv, rawSums, replacement, sumRanges } from "./conv-match.ts";
import { bufferName, type Draft, SLACK } from "./draft.ts";
import { planEpilogue } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { levelStep, operandBits } from "./operand-bits.ts";
import { bytesPerPixel } from "./packing.ts";
import type { PlaneConvLayer } from "./sum-layers.ts";
import { wholeTensor } from "./view.ts";
import { packChunk, planWordChunks, type WordChunks } from "./word-chunks.ts";

/** With more planes than this on either side lanes are better. */
const MAX_PLANES = 5;
/** Words of activations that are held in locals at once, two 32-bit slots each. */
const HELD = 40;
/** About what a layer dispatches: per pair of words, where a population count costs twice as much as other operations; per loop. */
const PAIR = 6;
const LOOP = 4;

export function draftPlaneConv(match: Matcher, node: Node): Draft | undefined {
  const matched = matchConv(match, node);
  if (!matched) return undefined;
  const conv = { ...matched, input: channelsInnermost(matched) };
  const { geometry, input, element, range, outputShape } = conv;
  const [channels, height, width] = input.dims;
  const activations = bitPlanes(range, activationStep(match, conv));
  const weights = bitPlanes(conv.weightRange, commonStep(conv.weights));
  const planes = activations.planes.length;
  if (planes > MAX_PLANES || weights.planes.length > MAX_PLANES || planes === 0 || weights.planes.length === 0)
    return undefined;
  if (element.bytes > 1 || geometry.group > 1 || geometry.dilations[1] > 1) return undefined;
  const pixelBytes = bytesPerPixel(channels);
  const chunks = planWordChunks(geometry.kernel, pixelBytes, Math.floor(HELD / planes));
  const packed = packWeights(conv, weights, chunks);
  const parts = divideOutputs(outputShape[0], BLOCK_BYTES / (packed.perOutput * chunks.starts.length));
  const { blocks, blockOutputs } = parts;
  const epilogue = planEpilogue(match.graph, conv.chain, rawSums(conv, sumRanges(conv), shiftOf(conv, activations)));
  const name = node.output;
  const [top, left, , right] = geometry.pads;
  const rowBytes = (left + width + right) * pixelBytes;
  const windowRows = (geometry.kernel[0] - 1) * geometry.dilations[0] + 1;
  const pixelStride = width > 1 ? input.strides[2] : channels;
  const blockBytes = blockOutputs * packed.perOutput * chunks.starts.length;
  const recordsBytes = align(epilogue.records.length * epilogue.recordBytes);
  const [scratch, bits, partial] = ["weights", "bits", "sums"].map((purpose) => bufferName(purpose, name));
  return {
    name,
    buffers: [
      match.request(input.root),
      match.request(name),
      ...(epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
      { name: scratch!, bytes: recordsBytes + packed.mask.length + blockBytes },
      { name: bits!, bytes: planes * windowRows * rowBytes + SLACK * (chunks.words.length + 1) },
      { name: partial!, bytes: chunks.loops.length > 0 ? 4 * blockOutputs : 0 },
    ],
    weights: joined([padded(joined(epilogue.records), recordsBytes), packed.mask, ...packed.records(parts)]),
    replaces: overlap(parts, outputShape[0]) ? undefined : replacement(conv, epilogue),
    operations: operationsOf(conv, planes, weights, chunks, blocks),
    why: `${weights.planes.length} x ${planes} bit planes, ${chunks.words.length} words at a time${blocks > 1 ? `, ${blocks} parts` : ""}`,
    finish: (region, slice): PlaneConvLayer => ({
      kind: "plane-conv",
      name,
      outputShape: conv.chain.output.shape,
      output: region(name),
      weights: slice,
      scratch: region(scratch!),
      loadsItself: true,
      macs: conv.macs,
      ...operandBits(match, conv),
      input: { address: region(input.root).address + input.offset, bytes: region(input.root).bytes - input.offset },
      inputShape: [channels, height, width],
      inputRowStride: height > 1 ? input.strides[1] : pixelStride * width,
      inputPixelStride: pixelStride,
      map: outputShape,
      strides: geometry.strides,
      top,
      left,
      dilation: geometry.dilations[0],
      bits: region(bits!),
      pixelBytes,
      rowBytes,
      windowRows,
      planes: activations.planes.map(({ bit, coefficient }) => ({
        bit,
        coefficient,
        pad: ((conv.padInteger >> bit) & 1) as 0 | 1,
      })),
      padded: geometry.pads.some((n) => n > 0),
      weightPlanes: weights.planes,
      weightConstant: weights.constant,
      loops: chunks.loops.map(({ count, rows, bytes }) => ({
        count,
        from: rows * geometry.dilations[0] * rowBytes + bytes,
      })),
      words: chunks.words,
      recordsBytes,
      blocks,
      blockOutputs,
      sums: region(partial!),
      epilogue: epilogue.finish(region),
    }),
  };
}

/** Eight channels are packed at once, so they must lie together: an input in another order is copied first. */
function channelsInnermost({ input, chain }: MatchedConv): MatchedConv["input"] {
  const [channels] = input.dims;
  if (channels === 1 || input.strides[0] === 1) return input;
  return wholeTensor(chain.root.inputs[0]!, input.dims) as MatchedConv["input"];
}

/** What the kernel's sums lack: the activations' constant times every weight. */
function shiftOf({ weights, outputShape }: MatchedConv, { constant }: BitPlanes): number[] {
  const perOutput = weights.length / outputShape[0];
  return Array.from(
    { length: outputShape[0] },
    (_, k) => -constant * weights.subarray(k * perOutput, (k + 1) * perOutput).reduce((sum, w) => sum + w, 0),
  );
}

/** Levels of thresholds may be several integers apart, and so may what the map is padded with. */
function activationStep(match: Matcher, conv: MatchedConv): number {
  const { range, padInteger, geometry } = conv;
  const levels = levelStep(match, conv);
  if (levels === undefined) return 1;
  const padded = geometry.pads.some((n) => n > 0);
  return commonStep([range.min, range.min + levels, ...(padded ? [padInteger] : [])]);
}

/** Dispatched operations of the layer, about. */
function operationsOf(
  { outputShape, input }: MatchedConv,
  planes: number,
  weights: BitPlanes,
  { words, starts }: WordChunks,
  blocks: number,
): number {
  const [outputs, height, width] = outputShape;
  const [channels, rows, columns] = input.dims;
  const gather = planes * words.length * 3;
  const corrected = weights.constant === 0 ? 0 : 1;
  const correction = corrected * planes * words.length * PAIR;
  const perOutput = weights.planes.length * planes * words.length * PAIR + 2 * (planes + weights.planes.length) + LOOP;
  const onward = starts.length > 1 ? 10 : 0;
  const perPixel =
    blocks * starts.length * (gather + correction + LOOP) + outputs * (starts.length * (perOutput + onward) + 20);
  const packing = blocks * rows * columns * Math.ceil(channels / 8) * (5 * planes + LOOP);
  return Math.round(height * width * perPixel + packing);
}

interface PackedWeights {
  /** Per chunk: the words of a filter of ones, as far as there are taps, to sum up activations; empty where nobody asks. */
  readonly mask: Uint8Array;
  /** Bytes of an output in a chunk. */
  readonly perOutput: number;
  /** Per block, chunk, output, plane: words. */
  readonly records: (parts: Blocks) => Uint8Array[];
}

function packWeights(conv: MatchedConv, { planes, constant }: BitPlanes, chunks: WordChunks): PackedWeights {
  const { weights, outputShape, input, geometry } = conv;
  const taps = weights.length / outputShape[0];
  const pack = (bits: ArrayLike<number>, start: WordChunks["starts"][number]): Uint8Array =>
    packChunk(bits, input.dims[0], geometry.kernel, chunks, start);
  const masks = constant === 0 ? [] : chunks.starts.map((start) => pack(new Uint8Array(taps).fill(1), start));
  const filter = (k: number, start: WordChunks["starts"][number]): Uint8Array[] =>
    planes.map(({ bit }) =>
      pack(
        weights.subarray(k * taps, (k + 1) * taps).map((w) => (w >> bit) & 1),
        start,
      ),
    );
  return {
    mask: joined(masks),
    perOutput: planes.length * chunks.words.length * 8,
    records: (parts) =>
      Array.from({ length: parts.blocks }, (_, block) => {
        const first = firstOutput(parts, block, outputShape[0]);
        const filters = (start: WordChunks["starts"][number]): Uint8Array[] =>
          Array.from({ length: parts.blockOutputs }, (_, k) => filter(first + k, start)).flat();
        return chunks.starts.flatMap(filters);
      }).flat(),
  };
}
