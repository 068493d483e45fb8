/** The grid of sums of products, x * w + bias: from the input's range and the signs of the weights. */
import type { Tensor } from "../graph.ts";
import { aligned, type Grid, widened } from "../grid.ts";

/**
 * The range of each output's integer accumulator.
 * @param input range of the input's integers
 * @param weights integers, outputs first
 * @param bias integers
 */
export function accumulatorRanges(
  input: Pick<Grid, "min" | "max">,
  weights: Float64Array,
  outputs: number,
  bias: Float64Array | undefined,
): { min: number; max: number }[] {
  const perOutput = weights.length / outputs;
  return Array.from({ length: outputs }, (_, k) => {
    let min = bias ? bias[k]! : 0;
    let max = min;
    for (let i = k * perOutput; i < (k + 1) * perOutput; i++) {
      const w = weights[i]!;
      min += w > 0 ? w * input.min : w * input.max;
      max += w > 0 ? w * input.max : w * input.min;
    }
    return { min, max };
  });
}

/**
 * The grid of x * w + bias, or undefined when an operand is off-grid; the finer of the product's and the bias's steps.
 * @param padValue what lies around the map, where something does
 */
export function productGrid(x: Tensor, w: Tensor, bias: Tensor | undefined, padValue?: number): Grid | undefined {
  if (!x.grid || !w.grid || !w.values || (bias && !bias.grid)) return undefined;
  const input = padValue === undefined ? x.grid : widened(x.grid, padValue);
  if (!input) return undefined;
  const product = { step: x.grid.step * w.grid.step, min: -1, max: 1 };
  const steps = aligned(bias ? [product, bias.grid!] : [product]);
  if (!steps) return undefined;
  const { step } = steps[0]!;
  const weightUnit = step / x.grid.step;
  const integers = (values: Float64Array, unit: number) => values.map((value) => Math.round(value / unit));
  const ranges = accumulatorRanges(
    input,
    integers(w.values, weightUnit),
    w.shape[0]!,
    bias?.values && integers(bias.values, step),
  );
  return { step, min: Math.min(...ranges.map((r) => r.min)), max: Math.max(...ranges.map((r) => r.max)) };
}
