/**
 * Plans convolutions in SWAR lanes: a 64-bit word holds the weights of several output channels side by side, w0 + w1 * 2^b + w2 * 2^2b,
 * so that one multiplication by an activation is a product for each. Sums stay exact while a lane's sum stays below 2^b; all
 * lanes start at `seed`, which keeps them positive, so that none borrows from the next.
 */
import type { Node } from "../graph/graph.ts";

import { BLOCK_BYTES, outputsPerBlock } from "./blocks.ts";
import { type MatchedConv, matchConv, rawSums, replacement, sumRanges } from "./conv-match.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import { type Element, elementOf } from "./element.ts";
import { type EpilogueDraft, planEpilogue } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { planRowWindow } from "./row-window.ts";
import type { LaneConvLayer } from "./sum-layers.ts";
import { planTapChunks, type TapChunks } from "./tap-chunks.ts";

/** Taps whose activations are held in locals at once: two 32-bit slots each, of the 128 that a function has on a microcontroller. */
const HELD = [45, 32, 24, 16] as const;
const MAX_LANES = 8;
const LOOP = 4;

interface Lanes {
  readonly count: number;
  readonly bits: number;
  readonly seed: number;
}

interface Choice {
  readonly chunks: TapChunks;
  readonly lanes: Lanes;
  /** Outputs of a block, and of words of a block. */
  readonly blockOutputs: number;
  readonly blocks: number;
  readonly operations: number;
}

export function draftLaneConv(match: Matcher, node: Node): Draft | undefined {
  const conv = matchConv(match, node);
  if (!conv) return undefined;
  const window = planRowWindow(conv);
  const weightElement = elementOf({ step: 1, ...conv.weightRange });
  if (weightElement.bytes > 2)
    noKernel(`Node "${conv.chain.root.name}" (${conv.chain.root.op}) has weights of more than 16 bits`);
  const choice = HELD.flatMap((limit) => choices(conv, planTapChunks(conv, window, limit), weightElement)).reduce(
    (best, other) => (best && best.operations <= other.operations ? best : other),
    undefined as Choice | undefined,
  );
  if (!choice)
    return noKernel(
      `Node "${conv.chain.root.name}" (${conv.chain.root.op}) sums up more than 31 bits`,
      "Use fewer bits for weights or activations.",
    );
  const { chunks, lanes, blocks, blockOutputs } = choice;
  const shifted = new Array<number>(conv.outputShape[0]).fill(lanes.seed * chunks.taps.length);
  const epilogue = planEpilogue(match.graph, conv.chain, rawSums(conv, sumRanges(conv), shifted));
  const words = Math.ceil(blockOutputs / lanes.count) * chunks.taps.length * chunks.offsets.length;
  const weights = packWeights(conv, choice, epilogue, weightElement);
  const name = node.output;
  const recordsBytes = align(epilogue.records.length * epilogue.recordBytes);
  const [scratch, rows, sums] = ["weights", "rows", "sums"].map((purpose) => bufferName(purpose, name));
  const input = match.request(conv.input.root);
  const slack = (chunks.offsets.length + 8) * conv.element.bytes;
  return {
    name,
    buffers: [
      { name: input.name, bytes: input.bytes + slack },
      match.request(name),
      ...(epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
      { name: scratch!, bytes: recordsBytes + 8 * words },
      ...(window.bytes > 0 ? [{ name: rows!, bytes: window.bytes + slack }] : []),
      { name: sums!, bytes: 4 * lanes.count * Math.ceil(blockOutputs / lanes.count) },
    ],
    weights,
    replaces: replacement(conv, epilogue),
    operations: choice.operations,
    why: `${lanes.count} lanes of ${lanes.bits} bits, ${chunks.offsets.length} taps at a time${blocks > 1 ? `, ${blocks} parts` : ""}`,
    finish: (region, slice): LaneConvLayer => ({
      kind: "lane-conv",
      name,
      outputShape: conv.chain.output.shape,
      output: region(name),
      weights: slice,
      scratch: region(scratch!),
      loadsItself: true,
      macs: conv.macs,
      weightBits: 8 * weightElement.bytes,
      activationBits: 8 * conv.element.bytes,
      window: window.finish(region(conv.input.root), window.bytes > 0 ? region(rows!) : { address: 0, bytes: 0 }),
      element: conv.element,
      weightElement,
      map: conv.outputShape,
      strideBytes: conv.geometry.strides[1] * window.pixelStride,
      loops: chunks.loops,
      offsets: chunks.offsets,
      lanes,
      blocks,
      blockOutputs,
      blockInputBytes: conv.geometry.group > 1 ? window.tapOffset(conv.input.dims[0] / conv.geometry.group, 0, 0) : 0,
      recordsBytes,
      sums: region(sums!),
      epilogue: epilogue.finish(region),
    }),
  };
}

function choices(conv: MatchedConv, chunks: TapChunks, weight: Element): Choice[] {
  const outputs = conv.outputShape[0] / conv.geometry.group;
  const { low, high } = chunkRange(conv, chunks);
  const total = sumRanges(conv);
  const seed = Math.max(0, -low);
  const found: Choice[] = [];
  for (let count = Math.min(MAX_LANES, outputs, 8 / weight.bytes); count >= 1; count--) {
    const bits = Math.min(31, Math.floor(64 / count));
    const raised = seed * chunks.taps.length;
    if (seed + high >= 2 ** bits || total.some((range) => range.max + raised >= 2 ** 31)) continue;
    const perGroup = 8 * chunks.taps.length * chunks.offsets.length;
    const fitting = Math.max(1, Math.floor(BLOCK_BYTES / perGroup));
    const blockOutputs = conv.geometry.group > 1 ? outputs : outputsPerBlock(outputs, fitting * count);
    const blockGroups = Math.ceil(blockOutputs / count);
    const blocks = conv.outputShape[0] / blockOutputs;
    const lanes = { count, bits, seed };
    found.push({
      chunks,
      lanes,
      blocks,
      blockOutputs,
      operations: operationsOf(conv, chunks, lanes, blocks, blockGroups),
    });
  }
  return found;
}

/** Dispatched operations of the layer, about. */
function operationsOf(conv: MatchedConv, chunks: TapChunks, lanes: Lanes, blocks: number, groups: number): number {
  const [outputs, height, width] = conv.outputShape;
  const taps = chunks.offsets.length;
  const perLane = chunks.taps.length > 1 ? 5 : 3;
  const perGroup = 4 * taps + perLane * lanes.count + LOOP + 2;
  const perChunk = 2 * taps + groups * perGroup + LOOP;
  const perPixel = blocks * (chunks.taps.length * perChunk + LOOP) + outputs * 20;
  const spread = blocks * groups * chunks.taps.length * taps * (4 * lanes.count + LOOP);
  return Math.round(height * width * perPixel + spread);
}

/** The smallest and the largest sum of any chunk of any output. */
function chunkRange(conv: MatchedConv, { taps }: TapChunks): { low: number; high: number } {
  const { weights, outputShape, range } = conv;
  const perOutput = weights.length / outputShape[0];
  let [low, high] = [0, 0];
  for (let k = 0; k < outputShape[0]; k++)
    for (const chunk of taps) {
      let [smallest, largest] = [0, 0];
      for (const tap of chunk) {
        if (tap < 0) continue;
        const w = weights[k * perOutput + tap]!;
        smallest += w > 0 ? w * range.min : w * range.max;
        largest += w > 0 ? w * range.max : w * range.min;
      }
      // Sums on the way there may leave the lane: only where they end up counts.
      low = Math.min(low, smallest);
      high = Math.max(high, largest);
    }
  return { low, high };
}

/** The epilogues' records, then per block, chunk, group of lanes and tap: one weight per lane. */
function packWeights(
  { weights, outputShape }: MatchedConv,
  { chunks, lanes, blocks, blockOutputs }: Choice,
  epilogue: EpilogueDraft,
  element: Element,
): Uint8Array {
  const perOutput = weights.length / outputShape[0];
  const groups = Math.ceil(blockOutputs / lanes.count);
  const recordsBytes = align(epilogue.records.length * epilogue.recordBytes);
  const count = blocks * chunks.taps.length * groups * chunks.offsets.length * lanes.count;
  const out = new Uint8Array(recordsBytes + count * element.bytes);
  epilogue.records.forEach((record, k) => {
    out.set(record, k * epilogue.recordBytes);
  });
  const view = new DataView(out.buffer);
  let at = recordsBytes;
  for (let block = 0; block < blocks; block++)
    for (const chunk of chunks.taps)
      for (let group = 0; group < groups; group++)
        for (const tap of chunk)
          for (let lane = 0; lane < lanes.count; lane++, at += element.bytes) {
            const inBlock = group * lanes.count + lane;
            const k = block * blockOutputs + inBlock;
            if (tap < 0 || inBlock >= blockOutputs || k >= outputShape[0]) continue;
            const w = weights[k * perOutput + tap]!;
            if (element.bytes === 1) view.setInt8(at, w);
            else view.setInt16(at, w, true);
          }
  return out;
}
