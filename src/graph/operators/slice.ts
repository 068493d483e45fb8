/** Per axis the elements from `starts` to before `ends`, each `steps` further; all within the input, steps at least 1. */
import { numbersOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { indicesOf, listPerAxis, stridesOf } from "./indices.ts";

export const slice: Operator = {
  op: "slice",
  exactness: "exact on grids",
  shape(node, [x]) {
    const starts = listPerAxis(node, "starts", x!);
    const ends = listPerAxis(node, "ends", x!);
    const steps = listPerAxis(node, "steps", x!);
    return x!.shape.map((size, i) => {
      if (!(starts[i]! >= 0 && ends[i]! <= size && steps[i]! >= 1))
        fail(node, `${starts[i]} to ${ends[i]} by ${steps[i]} does not lie in the ${size} elements of axis ${i}`);
      return Math.ceil((ends[i]! - starts[i]!) / steps[i]!);
    });
  },
  grid: (_node, [x]) => x!.grid,
  run(node, [x], shape) {
    const strides = stridesOf(x!.shape);
    const first = numbersOf(node, "starts").reduce((sum, n, axis) => sum + n * strides[axis]!, 0);
    const steps = numbersOf(node, "steps").map((n, axis) => n * strides[axis]!);
    return Float64Array.from(indicesOf(shape, steps, first), (i) => x!.values[i]!);
  },
};
