/** Axis i of the result is axis perm[i] of the input. */
import { numbersOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { indicesOf, listPerAxis, stridesOf } from "./indices.ts";

export const transpose: Operator = {
  op: "transpose",
  exactness: "exact on grids",
  shape(node, [x]) {
    const perm = listPerAxis(node, "perm", x!);
    if (perm.toSorted((a, b) => a - b).some((axis, i) => axis !== i)) fail(node, `perm [${perm}] is no permutation`);
    return perm.map((axis) => x!.shape[axis]!);
  },
  grid: (_node, [x]) => x!.grid,
  run(node, [x], shape) {
    const strides = stridesOf(x!.shape);
    const moved = numbersOf(node, "perm").map((axis) => strides[axis]!);
    return Float64Array.from(indicesOf(shape, moved), (i) => x!.values[i]!);
  },
};
