/** Plans the payload: the feature map at the cut as packed levels. */
import { elementCount, type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { bufferName, type Draft, noKernel, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";

export const PAYLOAD_BUFFER = bufferName("payload");

/** In a table of thresholds: never reached. */
const NEVER = 0x7fff;

/** How the levels of a payload stand for values: value = (level + offset) * scale. */
export interface PayloadCode {
  readonly bits: 1 | 2 | 4 | 8;
  readonly scale: number;
  readonly offset: number;
}

export function payloadCode(match: Matcher, cut: string): PayloadCode {
  const node = match.maybe("threshold", cut);
  if (node) {
    const levels = match.tensor(node.inputs[1]!).shape[1]! + 1;
    const bits = Math.log2(levels);
    if (bits !== 1 && bits !== 2 && bits !== 4)
      return noKernel(`The cut "${cut}" has ${levels} levels`, "Quantise the cut to 1, 2, 4 or 8 bits.", "H406");
    return { bits, scale: numberOf(node, "scale"), offset: numberOf(node, "offset") };
  }
  const grid = match.tensor(cut).grid;
  if (!grid || grid.min < -128 || grid.max > 127)
    return noKernel(
      `The cut "${cut}" is not quantised to 1, 2, 4 or 8 bits`,
      "Put a Quant node in front of the cut.",
      "H406",
    );
  return { bits: 8, scale: grid.step, offset: 0 };
}

/** @param node the threshold node that makes the cut */
export function draftPayload(match: Matcher, node: Node, code: PayloadCode): Draft {
  const stream = match.stream(node.inputs[0]!, node);
  const [channels, height, width] = stream.shape as [number, number, number];
  const perByte = 8 / code.bits;
  const rowBytes = Math.ceil(channels / perByte);
  const steps = 2 ** code.bits - 1;
  const thresholds = match.tensor(node.inputs[1]!).values!;
  const rising = numbersOf(node, "rising");
  // Per channel: a mask that complements the integer of a falling channel, then the thresholds in ascending order.
  // Channels beyond the last pad the pixel's last byte with level 0.
  const table = new Int16Array(rowBytes * perByte * (steps + 1)).fill(NEVER);
  for (let c = 0; c < rowBytes * perByte; c++) table[c * (steps + 1)] = c < channels && !rising[c] ? -1 : 0;
  for (let c = 0; c < channels; c++)
    for (let t = 0; t < steps; t++) table[c * (steps + 1) + 1 + t] = thresholds[c * steps + t]!;
  const scratch = bufferName("thresholds", node.output);
  return {
    name: node.output,
    buffers: [
      { name: node.inputs[0]!, bytes: elementCount(stream.shape) + SLACK },
      { name: PAYLOAD_BUFFER, bytes: height * width * rowBytes },
      { name: scratch, bytes: table.byteLength },
    ],
    weights: new Uint8Array(table.buffer),
    operations: height * width * rowBytes * perByte * (10 + 4 * steps),
    why: "thresholds and packs the stream in one pass",
    finish: (region, slice) => ({
      kind: "payload",
      name: node.output,
      outputShape: stream.shape,
      output: region(PAYLOAD_BUFFER),
      weights: slice,
      scratch: region(scratch),
      macs: 0,
      weightBits: 16,
      activationBits: code.bits,
      input: region(node.inputs[0]!),
      inputShape: [channels, height, width],
      bits: code.bits as 1 | 2 | 4,
    }),
  };
}
