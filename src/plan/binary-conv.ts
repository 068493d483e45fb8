/** Plans a layer of a binarized residual network: an 8-bit stream in, thresholds, convolution, alpha, shortcut, an 8-bit stream out. */
import { elementCount, type Node } from "../graph/graph.ts";
import { type BinaryConvPattern, matchBinaryConv, replacedStream } from "./binary-pattern.ts";
import { planBinaryWords } from "./binary-words.ts";
import { bufferName, type Draft, SLACK } from "./draft.ts";
import type { Matcher } from "./matcher.ts";

/** Bytes of a table that limits outputs. */
const MAX_CLIP_TABLE = 5120;
/** Of all layers together, so that layers of one shape can share a function. */
const CLIP_BUFFER = bufferName("clip");

/**
 * @param quantiser the quant node whose result the layer makes
 * @param sum what it quantises: alpha * conv, with or without a shortcut
 */
export function draftBinaryConv(match: Matcher, quantiser: Node, sum: Node): Draft {
  const pattern = matchBinaryConv(match, quantiser, sum);
  const { stream, inputShape, outputShape, kernel, alpha, shift, shortcut } = pattern;
  const taps = inputShape[0] * kernel[0] * kernel[1];
  const { clips, table: clip } = limitsOf(pattern, taps);
  const raised = clip ? (clip.below + 128) * 2 ** shift : 0;
  const [rows, columns] = shortcut.kind === "pooled" ? shortcut.window : [0, 0];
  const words = planBinaryWords(match.graph, {
    ...pattern,
    name: quantiser.output,
    conv: pattern.conv.name,
    map: outputShape,
    signs: pattern,
    constants: integers(clip?.below ?? 0, clip?.above ?? 0),
    // taps - 2 * mismatches is the sum of products of +-1.
    tail: (k) => integers(taps * alpha[k]! + raised, 2 * alpha[k]!),
    // A pooled shortcut has one loop for the channels that it reaches and one for the others.
    endingWords: rows * columns > 0 ? 52 + 7 * rows * columns : 18,
    endingOperations: 10 + 2 * rows * columns,
  });
  return {
    name: quantiser.output,
    buffers: [
      { name: stream, bytes: elementCount(inputShape) + SLACK },
      { name: quantiser.output, bytes: elementCount(outputShape) + SLACK },
      ...words.buffers,
      ...(clip ? [{ name: CLIP_BUFFER, bytes: clip.below + 256 + clip.above }] : []),
    ],
    weights: words.weights,
    operations: words.operations,
    why: "weights and activations of +-1: xor and popcount, 64 products at a time",
    replaces: replacedStream(pattern, words.block, [kernel[0] - pattern.pads[0], pattern.strides[0]]),
    finish: (region, slice) => ({
      ...words.finish(region),
      outputShape,
      output: region(quantiser.output),
      weights: slice,
      input: region(stream),
      ending: {
        kind: "stream",
        shift,
        shortcut,
        clips,
        ...(clip && { clipTable: { region: region(CLIP_BUFFER), countsOffset: words.constantsOffset } }),
      },
    }),
  };
}

/** Whether integers may occur outside a signed byte, and how many on each side, if a table of them all is not too large. */
function limitsOf(
  { alpha, shift, added }: BinaryConvPattern,
  taps: number,
): { clips: boolean; table?: { below: number; above: number } } {
  const most = taps * alpha.reduce((max, factor) => Math.max(max, Math.abs(factor)), 0);
  const below = Math.max(0, -128 - Math.floor((added.low - most) / 2 ** shift));
  const above = Math.max(0, Math.floor((added.high + most) / 2 ** shift) - 127);
  const entries = below + 256 + above;
  const clips = entries > 256;
  return clips && entries <= MAX_CLIP_TABLE && entries * 2 ** shift < 2 ** 31
    ? { clips, table: { below, above } }
    : { clips };
}

function integers(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => {
    view.setInt32(4 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}
