/** Weights and biases as integers of powers of two. */
import { type Grid, largestInteger } from "../graph/grid.ts";
import type { QuantisedConstant } from "./onnx/graph-writer.ts";

export interface QuantisedValues extends QuantisedConstant {
  /** The values that the integers stand for. */
  readonly values: Float64Array;
}

const WEIGHT_BITS = 8;
/** float32 holds these exactly. */
const BIAS_BITS = 24;
/** Outputs whose weights are this many powers of two smaller than the largest share the finest step: sums stay within few bits. */
export const MAX_SPREAD = 8;

/** Per output the power of two with the least squared error: the finest that reaches the largest weight, or half of it. */
export function quantiseWeights(values: Float64Array, outputs: number, spread = MAX_SPREAD): QuantisedValues {
  const each = values.length / outputs;
  const rows = Array.from({ length: outputs }, (_, k) => values.subarray(k * each, (k + 1) * each));
  const own = rows.map(bestStep);
  const finest = Math.max(...own.map((step) => step ?? 0)) * 2 ** -spread || 1;
  const scales = own.map((step) => Math.max(step ?? finest, finest));
  const snapped = values.map((w, i) => snappedTo(w, scales[Math.floor(i / each)]!, WEIGHT_BITS));
  return { bits: WEIGHT_BITS, scales, values: snapped };
}

/** The largest integer that a sum with these weights can come to, in units of the finest step of any output. */
export function largestSum({ values, scales }: QuantisedValues, input: Grid, bias?: Float64Array): number {
  const each = values.length / scales.length;
  const reach = scales.map((_, k) => {
    const weights = values.subarray(k * each, (k + 1) * each).reduce((sum, w) => sum + Math.abs(w), 0);
    return weights * largestInteger(input) * input.step + Math.abs(bias?.[k] ?? 0);
  });
  return Math.max(...reach) / (Math.min(...scales) * input.step);
}

/** @param scales what the sums that the biases are added to are integers of */
export function quantiseBias(values: Float64Array, scales: readonly number[]): QuantisedValues {
  return { bits: BIAS_BITS, scales, values: values.map((b, k) => snappedTo(b, scales[k]!, BIAS_BITS)) };
}

/** Undefined where all weights are 0. */
function bestStep(weights: Float64Array): number | undefined {
  const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  if (largest === 0) return undefined;
  const reaching = 2 ** Math.ceil(Math.log2(largest / (2 ** (WEIGHT_BITS - 1) - 1)));
  const error = (step: number): number =>
    weights.reduce((sum, w) => sum + (w - snappedTo(w, step, WEIGHT_BITS)) ** 2, 0);
  return error(reaching / 2) < error(reaching) ? reaching / 2 : reaching;
}

function snappedTo(value: number, step: number, bits: number): number {
  const most = 2 ** (bits - 1);
  return Math.min(Math.max(Math.round(value / step), -most), most - 1) * step + 0;
}
