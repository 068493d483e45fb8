/**
 * Plans any other convolution, or fully connected layer, of +-1 weights and +-1 activations: of a stored map of -1 and +1, or of an 8-bit
 * stream behind thresholds; ending in a sign, or in whatever an epilogue can do.
 */
import { type Node, numberOf, numbersOf } from "../graph/graph.ts";
import { multipleOf } from "../graph/grid.ts";
import type { BinaryEnding } from "./binary-layers.ts";
import { planBinaryWords } from "./binary-words.ts";
import { type MatchedConv, matchConv } from "./conv-match.ts";
import type { Draft } from "./draft.ts";
import { type EpilogueDraft, planEpilogue } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import type { Region } from "./plan.ts";
import { isStored } from "./view.ts";

/** Operators whose results hold values of their inputs and no others. */
const SELECTING: ReadonlySet<string> = new Set([
  "maxPool",
  "identity",
  "flatten",
  "reshape",
  "transpose",
  "slice",
  "concat",
]);
/** Operators whose results are stored as 8-bit streams. */
const QUANTISERS: ReadonlySet<string> = new Set(["quant", "requant", "lut"]);

export function draftBipolarConv(match: Matcher, node: Node): Draft | undefined {
  const matched = matchConv(match, node);
  if (!matched || !isBinary(match, matched)) return undefined;
  const { chain, geometry, outputShape } = matched;
  const source = sourceOf(match, matched);
  if (!source) return undefined;
  const negated = chain.shortcut ? undefined : signEnding(match, matched);
  const ending = negated ?? epilogueEnding(match, matched);
  const words = planBinaryWords(match.graph, {
    name: node.output,
    conv: chain.root.name,
    inputShape: source.shape,
    map: outputShape,
    kernel: geometry.kernel,
    strides: geometry.strides,
    pads: geometry.pads,
    padPositive: matched.padInteger > 0,
    ...(source.signs && { signs: source.signs }),
    weights: ending.weights,
    constants: new Uint8Array(0),
    tail: ending.tail,
    endingWords: ending.words,
    endingOperations: ending.operations,
  });
  const input = match.request(source.tensor);
  return {
    name: node.output,
    buffers: [input, match.request(node.output), ...ending.buffers(match), ...words.buffers],
    weights: words.weights,
    operations: words.operations,
    why: "weights and activations of +-1: xor and popcount, 64 products at a time",
    finish: (region, slice) => ({
      ...words.finish(region),
      outputShape: chain.output.shape,
      output: region(node.output),
      weights: slice,
      input: region(source.tensor),
      ending: ending.finish(region),
    }),
  };
}

/** Whether all weights and all activations, padding included, are -1 or +1. */
function isBinary(match: Matcher, { chain, geometry, weights, range, padInteger, element }: MatchedConv): boolean {
  return (
    geometry.group === 1 &&
    geometry.pads[0] < geometry.kernel[0] &&
    geometry.dilations.every((n) => n === 1) &&
    element.bytes === 1 &&
    range.min === -1 &&
    range.max === 1 &&
    (geometry.pads.every((n) => n === 0) || Math.abs(padInteger) === 1) &&
    weights.every((w) => w === 1 || w === -1) &&
    isBipolar(match, chain.root.inputs[0]!)
  );
}

/** Whether a tensor on a grid of -1, 0 and +1 holds no 0. */
function isBipolar(match: Matcher, tensor: string): boolean {
  const node = match.producer(tensor);
  if (!node) return false;
  if (node.op === "threshold") return isSign(match, node);
  return SELECTING.has(node.op) && node.inputs.every((input) => isBipolar(match, input));
}

/** Two levels, one the other's negative. */
function isSign(match: Matcher, node: Node): boolean {
  return match.tensor(node.inputs[1]!).shape[1] === 1 && numberOf(node, "offset") === -0.5;
}

interface Source {
  readonly tensor: string;
  readonly shape: readonly [number, number, number];
  readonly signs?: { readonly thresholds: Float64Array; readonly rising: readonly number[] };
}

/** What the layer reads: the stream in front of a sign, which then need not be stored, or a map of -1 and +1. */
function sourceOf(match: Matcher, { chain, input }: MatchedConv): Source | undefined {
  const x = chain.root.inputs[0]!;
  const sign = match.maybe("threshold", x);
  const stream = sign?.inputs[0];
  if (sign && stream !== undefined && QUANTISERS.has(match.producer(stream)?.op ?? "")) {
    const { shape, grid, bytes } = match.storage(stream, sign);
    if (bytes === 1 && grid.min < 0 && shape.length === 3)
      return {
        tensor: stream,
        shape: shape as [number, number, number],
        signs: { thresholds: match.tensor(sign.inputs[1]!).values!, rising: numbersOf(sign, "rising") },
      };
  }
  if (input.offset !== 0 || !isStored(input, input.dims)) return undefined;
  return { tensor: input.root, shape: input.dims };
}

interface EndingDraft {
  readonly weights: Int32Array;
  readonly tail: (output: number) => Uint8Array;
  readonly words: number;
  readonly operations: number;
  readonly buffers: (match: Matcher) => Draft["buffers"];
  readonly finish: (region: (name: string) => Region) => BinaryEnding;
}

/**
 * One threshold per output: since the output is monotone in the number of products that are -1, it is found by trying all of them.
 * Where it rises with that number the filter is negated.
 */
function signEnding(match: Matcher, matched: MatchedConv): EndingDraft | undefined {
  const { chain, factor, bias, outputShape } = matched;
  const { quantiser, output } = chain;
  if (quantiser?.op !== "threshold" || !isSign(match, quantiser) || output.grid?.max !== 1) return undefined;
  const inputStep = numberOf(quantiser, "inputStep");
  const ratio = multipleOf(chain.step, inputStep);
  if (ratio === undefined) return undefined;
  const rising = numbersOf(quantiser, "rising");
  const thresholds = match.tensor(quantiser.inputs[1]!).values!;
  const taps = matched.weights.length / outputShape[0];
  const weights = matched.weights.slice();
  const most = new Int32Array(outputShape[0]);
  for (let k = 0; k < outputShape[0]; k++) {
    const reaches = (count: number): boolean => {
      const n = (chain.multiplier[k]! * (factor * (taps - 2 * count) + bias[k]!) + chain.offset[k]!) * ratio;
      return (rising[k] ? n : -n - 1) >= thresholds[k]!;
    };
    const [all, none] = [reaches(0), reaches(taps)];
    const falls = all || !none;
    if (!falls) for (let i = k * taps; i < (k + 1) * taps; i++) weights[i] = -weights[i]!;
    const positive = (count: number): boolean => reaches(falls ? count : taps - count);
    let count = 0;
    while (count <= taps && positive(count)) count++;
    most[k] = count - 1;
  }
  return {
    weights,
    tail: (k) => new Uint8Array(most.buffer.slice(4 * k, 4 * k + 4)),
    words: 10,
    operations: 5,
    buffers: () => [],
    finish: () => ({ kind: "sign" }),
  };
}

function epilogueEnding(match: Matcher, matched: MatchedConv): EndingDraft {
  const { chain, factor, bias, outputShape, weights } = matched;
  const taps = weights.length / outputShape[0];
  // The kernel hands over how many products are -1: their sum is taps - 2 * count.
  const sums = bias.map((b) => ({ min: 0, max: taps, factor: -2 * factor, bias: b + taps * factor }));
  const epilogue: EpilogueDraft = planEpilogue(match.graph, chain, sums);
  return {
    weights,
    tail: (k) => epilogue.records[k]!,
    words: 50,
    operations: 20,
    buffers: () => (epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
    finish: (region) => ({ kind: "epilogue", epilogue: epilogue.finish(region) }),
  };
}
