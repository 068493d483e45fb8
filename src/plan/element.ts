/** How an integer of a tensor lies in memory. */
import { bitsOf, type Grid } from "../graph/grid.ts";

export interface Element {
  readonly bytes: 1 | 2 | 4;
  readonly signed: boolean;
}

/** The smallest element that holds a grid: signed where the grid has negative integers. Little endian. */
export function elementOf(grid: Grid): Element {
  const bits = bitsOf(grid);
  return { bytes: bits <= 8 ? 1 : bits <= 16 ? 2 : 4, signed: grid.min < 0 };
}
