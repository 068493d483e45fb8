/** The same elements, row-major, in another shape; flatten: in one dimension. */
import { elementCount, numbersOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";

export const reshape: Operator = {
  op: "reshape",
  exactness: "exact on grids",
  shape(node, [x]) {
    const shape = numbersOf(node, "shape");
    if (elementCount(shape) !== elementCount(x!.shape))
      fail(node, `[${x!.shape}] does not have the elements of [${shape}]`);
    return shape;
  },
  grid: (_node, [x]) => x!.grid,
  run: (_node, [x]) => x!.values.slice(),
};

export const flatten: Operator = { ...reshape, op: "flatten", shape: (_node, [x]) => [elementCount(x!.shape)] };
