/** Constant padding; `before` and `after` count the elements of `value` to add per axis. */
import { elementCount, numberOf, numbersOf } from "../graph.ts";
import { widened } from "../grid.ts";
import type { Operator } from "../operator.ts";
import { indicesOf, listPerAxis, stridesOf } from "./indices.ts";

export const pad: Operator = {
  op: "pad",
  exactness: "exact on grids",
  shape(node, [x]) {
    const before = listPerAxis(node, "before", x!);
    const after = listPerAxis(node, "after", x!);
    return x!.shape.map((n, i) => n + before[i]! + after[i]!);
  },
  grid: (node, [x]) => x!.grid && widened(x!.grid, numberOf(node, "value")),
  run(node, [x], shape) {
    const strides = stridesOf(shape);
    const first = numbersOf(node, "before").reduce((sum, n, axis) => sum + n * strides[axis]!, 0);
    const out = new Float64Array(elementCount(shape)).fill(numberOf(node, "value"));
    for (const [i, o] of indicesOf(x!.shape, strides, first).entries()) out[o] = x!.values[i]!;
    return out;
  },
};
