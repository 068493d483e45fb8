/** Plans the first convolution: 8-bit image, 8-bit weights, two output channels in the halves of one i64. */

import { elementCount, type Node } from "../graph/graph.ts";
import { shiftBetween } from "../graph/grid.ts";
import { convGeometry } from "../graph/operators/conv.ts";
import { bufferName, type Draft, INPUT_BUFFER, noKernel, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";

/** A lane holds an i32. */
const LANE_LIMIT = 2 ** 31;
/** Taps are unrolled. */
const MAX_TAPS = 1024;

/** @param quantiser the quant node whose result the layer makes */
export function draftGridConv(match: Matcher, quantiser: Node, conv: Node): Draft {
  const outputStep = match.flooringQuant(quantiser, -128, 127);
  const image = match.expect("quant", conv.inputs[0]!, conv);
  if (image.inputs[0] !== match.graph.input)
    noKernel(`Node "${conv.name}" (conv) is 8-bit but does not read the image`);
  checkImage(match, image);
  const [channels, height, width] = match.stream(image.output, conv).shape as [number, number, number];
  const weight = match.tensor(conv.inputs[1]!);
  const accumulator = match.tensor(conv.output).grid;
  if (!weight.grid || !accumulator)
    return noKernel(
      `Node "${conv.name}" (conv) has weights or a bias off the integer grid`,
      "Put Quant nodes with power-of-two scales on them.",
      "H402",
    );
  if (Math.max(accumulator.max, -accumulator.min) >= LANE_LIMIT)
    noKernel(`Node "${conv.name}" (conv) overflows 32 bits`, "Use fewer bits or channels.", "H402");
  const shift = shiftBetween(outputStep, accumulator.step);
  if (shift < 0 || shift > 31) noKernel(`Node "${quantiser.name}" quantises finer than its input's grid`);
  const { kernel, strides, pads, dilations, group } = convGeometry(conv, weight.shape);
  if (group !== 1 || dilations.some((n) => n !== 1)) noKernel(`Node "${conv.name}" (conv) has groups or dilations`);
  const inputShape = [channels, height, width] as const;
  const outputShape = match.tensor(quantiser.output).shape;
  const padded = channels * (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]);
  const taps = channels * kernel[0] * kernel[1];
  if (taps > MAX_TAPS)
    noKernel(`Node "${conv.name}" (conv) has ${taps} taps, more than ${MAX_TAPS}`, "Use a smaller kernel.");
  const bias = conv.inputs[2] ? match.tensor(conv.inputs[2]).values! : new Float64Array(outputShape[0]!);
  const weights = packLanes(
    weight.values!,
    accumulator.step / match.tensor(image.output).grid!.step,
    bias,
    accumulator.step,
    taps,
  );
  const scratch = bufferName("weights", quantiser.output);
  return {
    name: quantiser.output,
    buffers: [
      { name: INPUT_BUFFER, bytes: padded },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      { name: scratch, bytes: weights.length },
    ],
    weights,
    ...(pads.some((n) => n > 0) && { destroys: INPUT_BUFFER }),
    operations: (elementCount(outputShape) / 2) * (3 * taps + 26),
    why: "reads the image as the host writes it: two output channels in one 64-bit multiplication",
    finish: (region, slice) => ({
      kind: "grid-conv",
      name: quantiser.output,
      outputShape,
      output: region(quantiser.output),
      weights: slice,
      scratch: region(scratch),
      macs: elementCount(outputShape) * taps,
      weightBits: 8,
      activationBits: 8,
      input: region(INPUT_BUFFER),
      inputShape,
      kernel,
      strides,
      pads,
      shift,
    }),
  };
}

/** A device hands over pixels as bytes, each worth hedge.input's pixelStep: the quantiser of the image must change nothing. */
function checkImage(match: Matcher, image: Node): void {
  const pixels = match.tensor(match.graph.input).grid;
  const { step, min, max } = match.grid(image.output, image);
  if (step !== pixels?.step || min !== pixels.min || max !== pixels.max)
    noKernel(
      `Node "${image.name}" quantises the image to ${min} ... ${max} times ${step}, but its pixels are -128 ... 127 times ${pixels?.step}`,
      "Use 8 bits, signed, with narrow 0, a zero point of 0 and the pixelStep of hedge.input as scale.",
    );
}

/**
 * Per pair of output channels: the bias, then one word per tap in the order [channel, row, column]; a word is w0 + w1 * 2^32, so that one
 * i64 multiplication by an activation serves both.
 */
function packLanes(
  weights: Float64Array,
  weightStep: number,
  bias: Float64Array,
  biasStep: number,
  taps: number,
): Uint8Array {
  const outputs = bias.length;
  const pairs = Math.ceil(outputs / 2);
  const words = new BigInt64Array(pairs * (taps + 1));
  const integer = (values: Float64Array, index: number, step: number): bigint => BigInt(values[index]! / step);
  for (let pair = 0; pair < pairs; pair++) {
    const [low, high] = [2 * pair, 2 * pair + 1];
    const lane = (values: Float64Array, per: number, offset: number, step: number): bigint =>
      integer(values, low * per + offset, step) +
      (high < outputs ? integer(values, high * per + offset, step) << 32n : 0n);
    words[pair * (taps + 1)] = lane(bias, 1, 0, biasStep);
    for (let tap = 0; tap < taps; tap++) words[pair * (taps + 1) + 1 + tap] = lane(weights, taps, tap, weightStep);
  }
  return new Uint8Array(words.buffer);
}
