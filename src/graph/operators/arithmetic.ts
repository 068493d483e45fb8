/** Element-wise add, sub and mul, with broadcasting by channel or from a single value; relu. */

import type { Node, Tensor } from "../graph.ts";
import { type Grid, shiftBetween } from "../grid.ts";
import type { Operator } from "../operator.ts";
import { broadcastShape, operandIndex } from "./elementwise.ts";

function binary(op: string, compute: (a: number, b: number) => number, grid: (a: Grid, b: Grid) => Grid): Operator {
  return {
    op,
    exactness: "exact on grids",
    shape: broadcastShape,
    grid: (_node: Node, [a, b]: readonly Tensor[]) => (a!.grid && b!.grid ? grid(a!.grid, b!.grid) : undefined),
    run(_node, [a, b], shape) {
      const indexA = operandIndex(shape, a!.values.length);
      const indexB = operandIndex(shape, b!.values.length);
      const size = Math.max(a!.values.length, b!.values.length);
      return Float64Array.from({ length: size }, (_, i) => compute(a!.values[indexA(i)]!, b!.values[indexB(i)]!));
    },
  };
}

/** Both grids in units of the finer step. */
function aligned(a: Grid, b: Grid): { step: number; a: Grid; b: Grid } {
  const step = Math.min(a.step, b.step);
  const scaled = (g: Grid): Grid => {
    const factor = 2 ** shiftBetween(g.step, step);
    return { step, min: g.min * factor, max: g.max * factor };
  };
  return { step, a: scaled(a), b: scaled(b) };
}

export const add = binary(
  "add",
  (a, b) => a + b,
  (x, y) => {
    const { step, a, b } = aligned(x, y);
    return { step, min: a.min + b.min, max: a.max + b.max };
  },
);

export const sub = binary(
  "sub",
  (a, b) => a - b,
  (x, y) => {
    const { step, a, b } = aligned(x, y);
    return { step, min: a.min - b.max, max: a.max - b.min };
  },
);

export const mul = binary(
  "mul",
  (a, b) => a * b,
  (a, b) => {
    const corners = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
    return { step: a.step * b.step, min: Math.min(...corners), max: Math.max(...corners) };
  },
);

export const relu: Operator = {
  op: "relu",
  exactness: "exact on grids",
  shape: (_node, [x]) => x!.shape,
  grid: (_node, [x]) => x!.grid && { step: x!.grid.step, min: Math.max(0, x!.grid.min), max: Math.max(0, x!.grid.max) },
  run: (_node, [x]) => x!.values.map((v) => Math.max(v, 0)),
};
