/** Plans the convolution of an 8-bit image for the native kernel `image_conv`. */
import { elementCount, type Node } from "../graph/graph.ts";
import { multipleOf } from "../graph/grid.ts";
import { matchConv } from "./conv-match.ts";
import { type Draft, INPUT_BUFFER } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { NativeConstants, nativeDraft, windowWords } from "./native-descriptor.ts";
import { rowMajorStrides } from "./view.ts";

const DESCRIPTOR_WORDS = 19;
const MAX_TAPS = 1024;

/** @returns undefined for everything but what the kernel knows: bytes plane by plane, rounded down by a shift to signed bytes */
export function draftNativeImageConv(match: Matcher, node: Node): Draft | undefined {
  const conv = matchConv(match, node);
  if (!conv || node.op !== "quant" || node.attributes.rounding !== "FLOOR") return undefined;
  const { chain, geometry, input, outputShape, weights, factor, bias } = conv;
  const taps = weights.length / outputShape[0];
  const grid = chain.output.grid!;
  const ratio = multipleOf(grid.step, chain.step);
  const known =
    input.root === INPUT_BUFFER &&
    input.offset === 0 &&
    input.strides.join() === rowMajorStrides(input.dims).join() &&
    geometry.group === 1 &&
    geometry.dilations.every((n) => n === 1) &&
    (conv.padInteger === 0 || geometry.pads.every((n) => n === 0)) &&
    chain.shortcut === undefined &&
    factor === 1 &&
    [...chain.multiplier, ...chain.offset.map((n) => n + 1)].every((n) => n === 1) &&
    grid.min === -128 &&
    grid.max === 127 &&
    taps <= MAX_TAPS &&
    weights.every((w) => w >= -128 && w <= 127);
  if (!known || ratio === undefined || !Number.isInteger(Math.log2(ratio))) return undefined;
  const constants = new NativeConstants(DESCRIPTOR_WORDS);
  const weightsAt = constants.add(Int8Array.from(weights));
  const biasAt = constants.add(Int32Array.from(bias));
  return nativeDraft({
    name: node.output,
    kernel: "image_conv",
    why: "8-bit convolution of the image, by the host's kernel",
    buffers: [match.request(INPUT_BUFFER), match.request(node.output)],
    replaces: undefined,
    constants,
    outputShape,
    macs: elementCount(outputShape) * taps,
    weightBits: 8,
    activationBits: 8,
    descriptor: (region, scratch) => [
      region(INPUT_BUFFER).address,
      region(node.output).address,
      ...windowWords(input.dims, outputShape, geometry),
      Math.log2(ratio),
      scratch + weightsAt,
      scratch + biasAt,
    ],
  });
}
