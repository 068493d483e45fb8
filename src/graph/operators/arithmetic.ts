/** Element-wise add, sub, mul and div, with broadcasting by channel or from a single value. */

import type { Node, Tensor } from "../graph.ts";
import { aligned, EXACT_LIMIT, type Grid, largestInteger } from "../grid.ts";
import type { Operator } from "../operator.ts";
import { broadcastShape, operandIndex } from "./elementwise.ts";

function binary(
  op: string,
  compute: (a: number, b: number) => number,
  grid: (a: Tensor, b: Tensor) => Grid | undefined,
): Operator {
  return {
    op,
    exactness: "exact on grids",
    shape: broadcastShape,
    grid: (_node: Node, [a, b]: readonly Tensor[]) => grid(a!, b!),
    run(_node, [a, b], shape) {
      const indexA = operandIndex(shape, a!.values.length);
      const indexB = operandIndex(shape, b!.values.length);
      const size = Math.max(a!.values.length, b!.values.length);
      return Float64Array.from({ length: size }, (_, i) => compute(a!.values[indexA(i)]!, b!.values[indexB(i)]!));
    },
  };
}

/** The range of sums or differences, in units of the finer step. */
const combined = (range: (a: Grid, b: Grid) => Omit<Grid, "step">) => (x: Tensor, y: Tensor) => {
  const [a, b] = (x.grid && y.grid && aligned([x.grid, y.grid])) ?? [];
  return a && b && { step: a.step, ...range(a, b) };
};

export const add = binary(
  "add",
  (a, b) => a + b,
  combined((a, b) => ({ min: a.min + b.min, max: a.max + b.max })),
);

export const sub = binary(
  "sub",
  (a, b) => a - b,
  combined((a, b) => ({ min: a.min - b.max, max: a.max - b.min })),
);

export const mul = binary("mul", (a, b) => a * b, productOf);

/** The product of the integers or, where that would not be exact, the same integers on a step times a single constant. */
function productOf(x: Tensor, y: Tensor): Grid | undefined {
  const product = x.grid && y.grid && productGrid(x.grid, y.grid);
  if (product && largestInteger(product) < EXACT_LIMIT) return product;
  const rescaled = rescaledBy(x, singleValue(y)) ?? rescaledBy(y, singleValue(x));
  return rescaled ?? product;
}

function productGrid(a: Grid, b: Grid): Grid {
  const corners = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
  return { step: a.step * b.step, min: Math.min(...corners), max: Math.max(...corners) };
}

/** Divided by a single constant, integers stay as they are. */
export const div = binary(
  "div",
  (a, b) => a / b,
  (a, b) => {
    const divisor = singleValue(b);
    return divisor === undefined || divisor === 0 ? undefined : rescaledBy(a, 1 / divisor);
  },
);

function singleValue({ values }: Tensor): number | undefined {
  return values?.length === 1 ? values[0] : undefined;
}

function rescaledBy({ grid }: Tensor, factor: number | undefined): Grid | undefined {
  if (!grid || !factor || !Number.isFinite(factor)) return undefined;
  const step = grid.step * Math.abs(factor);
  return factor > 0 ? { step, min: grid.min, max: grid.max } : { step, min: -grid.max, max: -grid.min };
}
