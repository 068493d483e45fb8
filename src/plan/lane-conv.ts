/** Plans convolutions in SWAR lanes: src/plan/lanes.ts. */
import type { Node } from "../graph/graph.ts";
import { bitsOf } from "../graph/grid.ts";
import { joined, padded } from "./bytes.ts";
import { matchConv, rawSums, replacement, sumRanges } from "./conv-match.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import { planEpilogue } from "./epilogue.ts";
import { type LaneChoice, laneChoices, packLanes, packStarts } from "./lanes.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { operandBits } from "./operand-bits.ts";
import { planRowWindow } from "./row-window.ts";
import type { LaneConvLayer } from "./sum-layers.ts";
import { planTapChunks } from "./tap-chunks.ts";

/** Taps whose activations are held in locals at once: a function on a microcontroller has 128 locals, and longer code takes more RAM. */
const HELD = [48, 32, 24, 16] as const;

export function draftLaneConv(match: Matcher, node: Node): Draft | undefined {
  const conv = matchConv(match, node);
  if (!conv) return undefined;
  const window = planRowWindow(conv);
  const fieldBits = bitsOf({ step: 1, ...conv.weightRange });
  if (fieldBits > 16)
    noKernel(`Node "${conv.chain.root.name}" (${conv.chain.root.op}) has weights of more than 16 bits`);
  const exact = new Array<number>(conv.outputShape[0]).fill(0);
  const { plain } = planEpilogue(match.graph, conv.chain, rawSums(conv, sumRanges(conv), exact));
  const ways = HELD.flatMap((limit) => laneChoices(conv, planTapChunks(conv, window, limit), fieldBits, plain));
  const choice = ways.reduce(
    (best, other) => (best && best.operations <= other.operations ? best : other),
    undefined as LaneChoice | undefined,
  );
  if (!choice)
    return noKernel(
      `Node "${conv.chain.root.name}" (${conv.chain.root.op}) sums up more than 31 bits`,
      "Use fewer bits for weights or activations.",
    );
  const { chunks, lanes, blocks, blockOutputs, groups } = choice;
  const epilogue = planEpilogue(match.graph, conv.chain, rawSums(conv, sumRanges(conv), choice.raised));
  const words = groups * chunks.taps.length * chunks.offsets.length;
  const head = choice.own ? packStarts(choice) : joined(epilogue.records);
  const recordsBytes = align(head.length);
  const packed = packLanes(conv, choice, fieldBits);
  const weights = joined([padded(head, recordsBytes), packed]);
  const name = node.output;
  const [scratch, rows, sums] = ["weights", "rows", "sums"].map((purpose) => bufferName(purpose, name));
  const input = match.request(conv.input.root);
  // The last chunk of a run may have taps behind it, of no weight.
  const beyond = conv.element.bytes * Math.max(...chunks.taps.map((taps) => taps.filter((tap) => tap < 0).length));
  return {
    name,
    buffers: [
      { name: input.name, bytes: input.bytes + beyond },
      match.request(name),
      ...(epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
      { name: scratch!, bytes: recordsBytes + 8 * words + SLACK },
      ...(window.bytes > 0 ? [{ name: rows!, bytes: window.bytes + beyond }] : []),
      { name: sums!, bytes: chunks.taps.length === 1 ? 0 : lanes.whole ? 8 * groups : 4 * lanes.count * groups },
    ],
    weights,
    replaces: choice.repeats ? undefined : replacement(conv, epilogue),
    operations: choice.operations,
    why: `${lanes.count} ${lanes.count === 1 ? "lane" : "lanes"} of ${lanes.bits} bits, ${chunks.offsets.length} taps at a time${blocks > 1 ? `, ${blocks} parts` : ""}`,
    finish: (region, slice): LaneConvLayer => ({
      kind: "lane-conv",
      name,
      outputShape: conv.chain.output.shape,
      output: region(name),
      weights: slice,
      scratch: region(scratch!),
      loadsItself: true,
      macs: conv.macs,
      ...operandBits(match, conv),
      fieldBits,
      window: window.finish(region(conv.input.root), window.bytes > 0 ? region(rows!) : { address: 0, bytes: 0 }),
      element: conv.element,
      weightsSigned: conv.weightRange.min < 0,
      map: conv.outputShape,
      strideBytes: conv.geometry.strides[1] * window.pixelStride,
      loops: chunks.loops,
      offsets: chunks.offsets,
      lanes,
      ownStarts: choice.own,
      blocks,
      blockOutputs,
      groups,
      blockInputBytes: conv.geometry.group > 1 ? window.tapOffset(conv.input.dims[0] / conv.geometry.group, 0, 0) : 0,
      recordsBytes,
      sums: region(sums!),
      epilogue: epilogue.finish(region),
    }),
  };
}
