/** All elements in one dimension, in row-major order. */
import { elementCount } from "../graph.ts";
import type { Operator } from "../operator.ts";

export const flatten: Operator = {
  op: "flatten",
  exactness: "exact on grids",
  shape: (_node, [x]) => [elementCount(x!.shape)],
  grid: (_node, [x]) => x!.grid,
  run: (_node, [x]) => x!.values.slice(),
};
