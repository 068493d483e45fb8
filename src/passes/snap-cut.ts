/** The quantiser in front of a payload: few levels, and so not those that reach what is rare, but those that are nearest to all. */
import type { Attributes } from "../graph/graph.ts";
import { quantRange } from "../graph/operators/quant.ts";
import { rangeOfSamples, reachingStep, rounding } from "./storage.ts";

/** Powers of two below the one that reaches the largest value: with 16 levels no distribution wants a finer step. */
const FINER_STEPS = 5;

export interface CutQuantiser {
  readonly op: "quant" | "bipolarQuant";
  readonly attributes: Attributes;
}

/**
 * The quantiser of 1, 2 or 4 bits whose levels, on a step of a power of two, have the least squared error; negative values of 1 bit are signs.
 * @param values of the cut on samples
 * @param atLeast the step of the integers that are quantised, where they are integers: finer levels would say no more
 */
export function cutQuantiser(values: readonly Float32Array[], bits: number, atLeast: number): CutQuantiser {
  const range = rangeOfSamples(values);
  const signed = range.min < 0;
  const isSign = signed && bits === 1;
  const coarsest = reachingStep(range, isSign ? 2 : bits, signed);
  const steps = Array.from({ length: FINER_STEPS + 1 }, (_, i) => coarsest * 2 ** -i).filter((s) => s >= atLeast);
  const { low, high } = quantRange(bits, signed, false);
  const level = isSign
    ? (v: number): number => (v >= 0 ? 1 : -1)
    : (v: number): number => Math.min(Math.max(Math.round(v), low), high);
  const errors = steps.map((step) => squaredError(values, (v) => level(v / step) * step));
  const step = steps[errors.indexOf(Math.min(...errors))] ?? atLeast;
  return isSign
    ? { op: "bipolarQuant", attributes: { scale: step } }
    : { op: "quant", attributes: rounding(range, step, bits) };
}

function squaredError(values: readonly Float32Array[], quantised: (v: number) => number): number {
  let error = 0;
  for (const sample of values) for (const v of sample) error += (v - quantised(v)) ** 2;
  return error;
}
