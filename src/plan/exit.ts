/** Plans an exit: pooling of relu(stream - shift), and a fully connected layer whose rows are streamed from flash. */
import { EXP_FRACTION, EXP_WHOLE, LN_FRACTION } from "../graph/entropy.ts";
import { elementCount, numbersOf } from "../graph/graph.ts";
import { isPowerOfTwo, shiftBetween } from "../graph/grid.ts";
import { bufferName, type Draft, type Matcher, noKernel, SLACK } from "./draft.ts";
import { align } from "./memory.ts";
import type { WeightSlice } from "./plan.ts";

export const RESULT_BUFFER = bufferName("result");
/** What an exit may subtract from its stream, in the stream's steps: more would leave nothing of it, or nothing but a constant. */
const MAX_OFFSET = 1024;
/** Differences of logits are 25 bits wide; shifted to 2^-16 nats they must fit an i64. */
const MAX_LOGIT_EXPONENT = 20;
/** label, exited, entropy: the words in front of the logits. */
export const RESULT_HEAD_BYTES = 12;

/** exp and ln tables of the entropy rule as unsigned 32-bit words: EXP_WHOLE, EXP_FRACTION, LN_FRACTION. */
export function entropyTables(): Uint8Array {
  return new Uint8Array(Uint32Array.from([...EXP_WHOLE, ...EXP_FRACTION, ...LN_FRACTION].map(Number)).buffer);
}

/** @param logits the tensor that the exit rule looks at */
export function draftExit(match: Matcher, logits: string, tables: WeightSlice, last: boolean): [Draft, Draft] {
  const gemm = match.expect("gemm", logits, undefined);
  const flatten = match.expect("flatten", gemm.inputs[0]!, gemm);
  const quantiser = match.expect("quant", flatten.inputs[0]!, flatten);
  const pooledStep = match.flooringQuant(quantiser, 0, 255);
  const pool = match.expect("averagePool", quantiser.inputs[0]!, quantiser);
  const relu = match.expect("relu", pool.inputs[0]!, pool);
  const sub = match.expect("sub", relu.inputs[0]!, relu);
  const stream = match.stream(sub.inputs[0]!, sub);
  const pooled = match.tensor(quantiser.output);
  const [kh, kw] = numbersOf(pool, "kernel") as [number, number];
  if (!isPowerOfTwo(kh * kw) || numbersOf(pool, "strides").join() !== [kh, kw].join())
    noKernel(`Node "${pool.name}" (averagePool) must pool by whole windows of a power of two`);
  const streamStep = match.grid(stream.name, sub).step;
  const offsets = match.tensor(sub.inputs[1]!);
  if (!offsets.values || !offsets.grid || offsets.grid.step < streamStep)
    return noKernel(
      `Node "${sub.name}" (sub) subtracts values off its input's grid`,
      "Round the exit's shift to the stream's step.",
    );
  const shifts = offsets.values.map((value) => value / streamStep);
  if (shifts.some((n) => Math.abs(n) > MAX_OFFSET))
    noKernel(
      `Node "${sub.name}" (sub) subtracts more than ${MAX_OFFSET} steps of its input`,
      "Bound the exit's shift to the range of the stream.",
    );
  const shift = shiftBetween(pooledStep, match.grid(pool.output, pool).step);
  // The sum over a window, before and after it is shifted, in 32 bits.
  const reach = kh * kw * (128 + MAX_OFFSET) * 2 ** Math.max(0, -shift);
  if (shift > 31 || reach >= 2 ** 31)
    noKernel(
      `Node "${quantiser.name}" quantises the pooled map at a scale too far from its input's`,
      "Use a scale between the stream's step and a few hundredths of it.",
    );
  const channels = stream.shape[0]!;
  const table = new Int16Array(align(channels, 4));
  for (let c = 0; c < channels; c++) table[c] = shifts[shifts.length === 1 ? 0 : c]!;

  const weight = match.tensor(gemm.inputs[1]!);
  const grid = match.tensor(logits).grid;
  const weightStep = (grid?.step ?? 1) / pooledStep;
  if (!grid || !weight.values?.every((w) => Math.abs(w / weightStep) <= 127))
    return noKernel(
      `Node "${gemm.name}" (gemm) has weights beyond 8 bits or a bias off the grid`,
      "Quantise them with power-of-two scales.",
    );
  const logitExponent = Math.log2(grid.step);
  if (Math.abs(logitExponent) > MAX_LOGIT_EXPONENT)
    noKernel(
      `Node "${gemm.name}" (gemm) makes logits in steps of ${grid.step}`,
      `Use scales whose product lies between 2^-${MAX_LOGIT_EXPONENT} and 2^${MAX_LOGIT_EXPONENT}.`,
    );
  const [classes, inputs] = weight.shape as [number, number];
  const bias = gemm.inputs[2] ? match.tensor(gemm.inputs[2]).values! : new Float64Array(classes);
  const rowBytes = align(inputs, 4) + 4;
  const rows = new Uint8Array(classes * rowBytes);
  const view = new DataView(rows.buffer);
  for (let k = 0; k < classes; k++) {
    for (let i = 0; i < inputs; i++) view.setInt8(k * rowBytes + i, weight.values[k * inputs + i]! / weightStep);
    view.setInt32((k + 1) * rowBytes - 4, bias[k]! / grid.step, true);
  }
  const scratch = bufferName("row", logits);
  const shiftTable = bufferName("shifts", quantiser.output);
  const poolDraft: Draft = {
    name: quantiser.output,
    buffers: [
      { name: sub.inputs[0]!, bytes: elementCount(stream.shape) + SLACK },
      { name: quantiser.output, bytes: align(elementCount(pooled.shape), 4) },
      { name: shiftTable, bytes: table.byteLength },
    ],
    weights: new Uint8Array(table.buffer),
    finish: (region, slice) => ({
      kind: "exit-pool",
      name: quantiser.output,
      outputShape: pooled.shape,
      output: region(quantiser.output),
      weights: slice,
      scratch: region(shiftTable),
      macs: 0,
      weightBits: 16,
      activationBits: 8,
      input: region(sub.inputs[0]!),
      inputShape: stream.shape as [number, number, number],
      window: [kh, kw],
      shift,
    }),
  };
  const denseDraft: Draft = {
    name: logits,
    buffers: [
      { name: quantiser.output, bytes: align(elementCount(pooled.shape), 4) },
      { name: RESULT_BUFFER, bytes: RESULT_HEAD_BYTES + 4 * classes },
      { name: scratch, bytes: Math.max(rowBytes, tables.bytes) },
    ],
    weights: rows,
    finish: (region, slice) => ({
      kind: "dense-exit",
      name: logits,
      outputShape: [classes],
      output: region(RESULT_BUFFER),
      weights: slice,
      scratch: region(scratch),
      macs: classes * inputs,
      weightBits: 8,
      activationBits: 8,
      input: region(quantiser.output),
      inputs,
      rowBytes,
      logitExponent,
      tables,
      last,
    }),
  };
  return [poolDraft, denseDraft];
}
