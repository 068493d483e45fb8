/**
 * A function of few integers, as a table. Inputs: x on a grid, and `table` [1 or C, grid.max - grid.min + 1], integers: the results for
 * each integer of x, ascending, for all channels or for each. The value is (table[n - grid.min] - zero) * scale.
 */
import { numberOf } from "../graph.ts";
import type { Grid } from "../grid.ts";
import { fail, type Operator } from "../operator.ts";
import { operandIndex } from "./elementwise.ts";

/** Integers that the input of a table may have at most. */
export const MAX_TABLE = 256;

export function integersOf(grid: Grid): number {
  return grid.max - grid.min + 1;
}

export const lut: Operator = {
  op: "lut",
  exactness: "exact on grids",
  shape(node, [x, table]) {
    const grid = x!.grid ?? fail(node, "the input is not on a grid");
    const [rows, entries] = table!.shape;
    if (rows !== 1 && rows !== x!.shape[0]) fail(node, `${rows} tables for ${x!.shape[0]} channels`);
    if (entries !== integersOf(grid) || entries > MAX_TABLE)
      fail(node, `a table of ${entries} entries for ${integersOf(grid)} integers, at most ${MAX_TABLE}`);
    if (!table!.values?.every(Number.isSafeInteger)) fail(node, `"${table!.name}" holds no constant integers`);
    return x!.shape;
  },
  grid(node, [, table]) {
    const zero = numberOf(node, "zero");
    return {
      step: numberOf(node, "scale"),
      min: Math.min(...table!.values!) - zero,
      max: Math.max(...table!.values!) - zero,
    };
  },
  run(node, [x, table], shape) {
    const [scale, zero] = [numberOf(node, "scale"), numberOf(node, "zero")];
    const { step, min } = x!.grid!;
    const [rows, entries] = table!.shape as [number, number];
    const rowOf = operandIndex(shape, rows);
    return x!.values.map((value, i) => {
      const n = Math.round(value / step);
      return (table!.values[rowOf(i) * entries + n - min]! - zero) * scale;
    });
  },
};
