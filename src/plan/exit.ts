/** Plans the end of an exit: a fully connected layer whose rows are streamed from flash, then the exit rule. */
import { EXP_FRACTION, EXP_WHOLE, LN_FRACTION } from "../graph/entropy.ts";
import { bufferName, type Draft, noKernel } from "./draft.ts";
import type { Matcher } from "./matcher.ts";
import { align } from "./memory.ts";
import type { WeightSlice } from "./plan.ts";
import { elementOffsets } from "./view.ts";

export const RESULT_BUFFER = bufferName("result");
/** Differences of logits are 25 bits wide; shifted to 2^-16 nats they must fit an i64. */
const MAX_LOGIT_EXPONENT = 20;
/** label, exited, entropy: the words in front of the logits. */
export const RESULT_HEAD_BYTES = 12;

/** exp and ln tables of the entropy rule as unsigned 32-bit words: EXP_WHOLE, EXP_FRACTION, LN_FRACTION. */
export function entropyTables(): Uint8Array {
  return new Uint8Array(Uint32Array.from([...EXP_WHOLE, ...EXP_FRACTION, ...LN_FRACTION].map(Number)).buffer);
}

/** @param logits the tensor that the exit rule looks at, made by a gemm of a stored 8-bit tensor */
export function draftDenseExit(match: Matcher, logits: string, tables: WeightSlice): Draft {
  const gemm = match.expect("gemm", logits, undefined);
  const view = match.view(gemm.inputs[0]!);
  const { grid: input, bytes, signed } = match.storage(gemm.inputs[0]!, gemm);
  if (bytes !== 1)
    noKernel(
      `Node "${gemm.name}" (gemm) reads "${gemm.inputs[0]}", whose integers ${input.min} ... ${input.max} take more than 8 bits`,
      "Quantise the input of the exit's Gemm to 8 bits.",
    );
  const weight = match.tensor(gemm.inputs[1]!);
  const grid = match.tensor(logits).grid;
  const weightStep = (grid?.step ?? 1) / input.step;
  if (!grid || !weight.values?.every((w) => Math.abs(w / weightStep) <= 127))
    return noKernel(
      `Node "${gemm.name}" (gemm) has weights beyond 8 bits or a bias off the grid`,
      "Quantise them with power-of-two scales.",
    );
  const logitExponent = logitExponentOf(match, logits);
  const [classes, inputs] = weight.shape as [number, number];
  const bias = gemm.inputs[2] ? match.tensor(gemm.inputs[2]).values! : new Float64Array(classes);
  // Weights lie in the order in which the input does, with zeros where the view leaves something out.
  const places = elementOffsets(view);
  const paddedInputs = align(Math.max(...places) + 1, 4);
  const rowBytes = paddedInputs + 4;
  const rows = new Uint8Array(classes * rowBytes);
  const data = new DataView(rows.buffer);
  for (let k = 0; k < classes; k++) {
    for (let i = 0; i < inputs; i++)
      data.setInt8(k * rowBytes + places[i]!, Math.round(weight.values[k * inputs + i]! / weightStep));
    data.setInt32(k * rowBytes + paddedInputs, Math.round(bias[k]! / grid.step), true);
  }
  const scratch = bufferName("row", logits);
  return {
    name: logits,
    buffers: [
      match.request(view.root),
      { name: RESULT_BUFFER, bytes: RESULT_HEAD_BYTES + 4 * classes },
      { name: scratch, bytes: Math.max(rowBytes, tables.bytes) },
    ],
    weights: rows,
    operations: classes * (paddedInputs * 4 + 20),
    why: "the exit's logits go straight into the result",
    finish: (region, slice) => ({
      kind: "dense-exit",
      name: logits,
      outputShape: [classes],
      output: region(RESULT_BUFFER),
      weights: slice,
      loadsItself: true,
      scratch: region(scratch),
      macs: classes * inputs,
      weightBits: 8,
      activationBits: 8,
      input: region(view.root),
      signed,
      rowBytes,
      logitExponent,
      tables,
    }),
  };
}

/** log2 of what the integer 1 of a logit is worth: the exit rule shifts logits to nats. */
export function logitExponentOf(match: Matcher, logits: string): number {
  const node = match.producer(logits)!;
  const exponent = Math.log2(match.grid(logits, node).step);
  if (Math.abs(exponent) > MAX_LOGIT_EXPONENT)
    noKernel(
      `Node "${node.name}" (${node.op}) makes logits in steps of 2^${exponent}`,
      `Use scales whose product lies between 2^-${MAX_LOGIT_EXPONENT} and 2^${MAX_LOGIT_EXPONENT}.`,
    );
  return exponent;
}
