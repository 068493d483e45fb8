/**
 * Plans fully connected layers of any integers, and 1x1 convolutions of a single pixel. Every weight is used once, so it stays packed until
 * then: the weights of 8 or 16 outputs for one input, of 8 or 4 bits, are read as a word, taken apart into pairs 32 bits apart, and each pair
 * is multiplied by the input at once. Weights are stored from 0 upwards; what that adds is the sum of the inputs times their offset.
 */
import type { Node } from "../graph/graph.ts";
import { joined, padded } from "./bytes.ts";
import { type MatchedConv, matchConv, rawSums, replacement, sumRanges } from "./conv-match.ts";
import { bufferName, type Draft } from "./draft.ts";
import { planEpilogue } from "./epilogue.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import { operandBits } from "./operand-bits.ts";
import type { DenseLayer } from "./sum-layers.ts";

/** Inputs that are unrolled. */
export const DENSE_UNROLLED = 4;
/** Bytes of weights in memory at once. */
const PIECE_BYTES = 4096;
const PER_PAIR = 5;
const PER_INPUT = 5;
const PER_OUTPUT = 30;

export function draftDense(match: Matcher, node: Node): Draft | undefined {
  const conv = matchConv(match, node);
  if (!conv) return undefined;
  const { input, element, geometry, outputShape, weightRange } = conv;
  const [inputs, height, width] = input.dims;
  const hasPads = geometry.pads.some((n) => n > 0);
  const contiguous = inputs === 1 || input.strides[0] === 1;
  if (height * width !== 1 || geometry.group > 1 || hasPads || !contiguous) return undefined;
  const [outputs] = outputShape;
  const offset = Math.min(0, weightRange.min);
  const sums = sumRanges(conv);
  const most = inputs * (weightRange.max - offset) * Math.max(conv.range.max, -conv.range.min);
  if (weightRange.max - offset > 255 || most >= 2 ** 31) return undefined;
  const fieldBits = weightRange.max - offset > 15 ? 8 : 4;
  const wordOutputs = 64 / fieldBits;
  const pieces = Math.ceil((8 * inputs) / PIECE_BYTES);
  const pieceInputs = align(Math.ceil(inputs / pieces), DENSE_UNROLLED);
  const groups = Math.ceil(outputs / wordOutputs);
  const epilogue = planEpilogue(match.graph, conv.chain, rawSums(conv, sums, new Array<number>(outputs).fill(0)));
  const recordsBytes = align(outputs * epilogue.recordBytes);
  const packed = packWeights(conv, groups, pieces * pieceInputs, offset, fieldBits);
  const weights = joined([padded(joined(epilogue.records), recordsBytes), packed]);
  const name = node.output;
  const [scratch, partial] = [bufferName("weights", name), bufferName("sums", name)];
  const source = match.request(input.root);
  const beyond = (pieces * pieceInputs - inputs) * element.bytes;
  return {
    name,
    buffers: [
      { ...source, bytes: source.bytes + beyond },
      match.request(name),
      ...(epilogue.shortcut ? [match.request(epilogue.shortcut.tensor)] : []),
      { name: scratch, bytes: recordsBytes + pieceInputs * 8 },
      { name: partial, bytes: 4 * wordOutputs * groups },
    ],
    weights,
    replaces: replacement(conv, epilogue),
    operations:
      groups * pieces * pieceInputs * ((wordOutputs / 2) * PER_PAIR + PER_INPUT) + inputs * 4 + outputs * PER_OUTPUT,
    why: `weights of ${fieldBits} bits, ${wordOutputs} outputs to a word${pieces > 1 ? `, ${pieces} parts of the inputs` : ""}`,
    finish: (region, slice): DenseLayer => ({
      kind: "dense",
      name,
      outputShape: conv.chain.output.shape,
      output: region(name),
      weights: slice,
      scratch: region(scratch),
      loadsItself: true,
      macs: conv.macs,
      ...operandBits(match, conv),
      fieldBits,
      input: { address: region(source.name).address + input.offset * element.bytes, bytes: inputs * element.bytes },
      element,
      inputs,
      outputs,
      pieces,
      pieceInputs,
      weightOffset: offset,
      recordsBytes,
      sums: region(partial),
      epilogue: epilogue.finish(region),
    }),
  };
}

/** Per group of outputs and input: a field for each output, less the offset; of inputs and outputs that are none, 0. */
function packWeights(
  { weights, outputShape, input }: MatchedConv,
  groups: number,
  rows: number,
  offset: number,
  fieldBits: 4 | 8,
): Uint8Array {
  const [inputs] = input.dims;
  const out = new Uint8Array(8 * groups * rows);
  const wordOutputs = 64 / fieldBits;
  for (let k = 0; k < outputShape[0]; k++) {
    const group = Math.floor(k / wordOutputs) * rows;
    const bit = (k % wordOutputs) * fieldBits;
    for (let i = 0; i < inputs; i++)
      out[(group + i) * 8 + (bit >> 3)]! |= (weights[k * inputs + i]! - offset) << (bit & 7);
  }
  return out;
}
