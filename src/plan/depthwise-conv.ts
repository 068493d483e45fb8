/**
 * Plans depthwise convolutions: every output has a channel of its own, so that no two share a product. A channel's weights are held in
 * locals while a row of its outputs is computed.
 */
import type { Node } from "../graph/graph.ts";
import { type MatchedConv, matchConv, rawSums, replacement, sumRanges } from "./conv-match.ts";
import { bufferName, type Draft } from "./draft.ts";
import { type Element, elementOf } from "./element.ts";
import { type EpilogueDraft, planEpilogue } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import { operandBits } from "./operand-bits.ts";
import { planRowWindow } from "./row-window.ts";
import type { DepthwiseConvLayer } from "./sum-layers.ts";

/** Weights that are held in locals. */
const MAX_TAPS = 64;
const PER_OUTPUT = 28;

export function draftDepthwiseConv(match: Matcher, node: Node): Draft | undefined {
  const conv = matchConv(match, node);
  if (!conv) return undefined;
  const [channels] = conv.input.dims;
  const [outputs, height, width] = conv.outputShape;
  const [rows, columns] = conv.geometry.kernel;
  const taps = rows * columns;
  const sums = sumRanges(conv);
  if (conv.geometry.group !== channels || outputs !== channels || taps > MAX_TAPS) return undefined;
  if (sums.some(({ min, max }) => min < -(2 ** 31) || max >= 2 ** 31)) return undefined;
  const window = planRowWindow(conv);
  const weightElement = elementOf({ step: 1, ...conv.weightRange });
  const epilogue = planEpilogue(match.graph, conv.chain, rawSums(conv, sums, new Array<number>(outputs).fill(0)));
  const weights = packRecords(conv, weightElement, epilogue, taps);
  const name = node.output;
  const [scratch, copied] = [bufferName("weights", name), bufferName("rows", name)];
  const offsets = Array.from({ length: taps }, (_, t) => window.tapOffset(0, Math.floor(t / columns), t % columns));
  return {
    name,
    buffers: [
      match.request(conv.input.root),
      match.request(name),
      ...(epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
      { name: scratch, bytes: weights.length },
      { name: copied, bytes: window.bytes },
    ],
    weights,
    replaces: replacement(conv, epilogue),
    operations: height * (outputs * (width * (4 * taps + PER_OUTPUT) + 2 * taps) + 20 * rows),
    why: "one channel after another, its weights in locals",
    finish: (region, slice): DepthwiseConvLayer => ({
      kind: "depthwise-conv",
      name,
      outputShape: conv.chain.output.shape,
      output: region(name),
      weights: slice,
      scratch: region(scratch),
      macs: conv.macs,
      ...operandBits(match, conv),
      window: window.finish(region(conv.input.root), region(copied)),
      element: conv.element,
      weightElement,
      map: conv.outputShape,
      strideBytes: conv.geometry.strides[1] * window.pixelStride,
      channelBytes: channels > 1 ? window.tapOffset(1, 0, 0) - window.tapOffset(0, 0, 0) : 0,
      offsets,
      epilogue: epilogue.finish(region),
    }),
  };
}

/** Per channel: its weights, then the epilogue's record. */
function packRecords(conv: MatchedConv, element: Element, epilogue: EpilogueDraft, taps: number): Uint8Array {
  const recordBytes = taps * element.bytes + epilogue.recordBytes;
  const out = new Uint8Array(epilogue.records.length * recordBytes);
  const view = new DataView(out.buffer);
  epilogue.records.forEach((record, k) => {
    const at = k * recordBytes;
    for (let t = 0; t < taps; t++) {
      const w = conv.weights[k * taps + t]!;
      if (element.bytes === 1) view.setInt8(at + t, w);
      else if (element.bytes === 2) view.setInt16(at + 2 * t, w, true);
      else view.setInt32(at + 4 * t, w, true);
    }
    out.set(record, at + taps * element.bytes);
  });
  return out;
}
