/** Fully connected layer: y = W x + b for x [inputs], W [outputs, inputs], b [outputs]. */
import { fail, type Operator } from "../operator.ts";
import { productGrid } from "./product-grid.ts";

export const gemm: Operator = {
  op: "gemm",
  exactness: "exact on grids",
  shape(node, [x, w, bias]) {
    if (x!.shape.length !== 1) fail(node, `input is [${x!.shape}], expected one dimension; put a Flatten in front`);
    if (w!.shape.length !== 2 || w!.shape[1] !== x!.shape[0])
      fail(node, `weights are [${w!.shape}], expected [outputs, ${x!.shape[0]}]`);
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== w!.shape[0]))
      fail(node, `bias has ${bias.shape[0]} values for ${w!.shape[0]} outputs`);
    return [w!.shape[0]!];
  },
  grid: (_node, [x, w, bias]) => productGrid(x!, w!, bias),
  run(_node, [x, w, bias], [outputs]) {
    const inputs = x!.values.length;
    return Float64Array.from({ length: outputs! }, (_, k) => {
      let sum = bias ? bias.values[k]! : 0;
      for (let i = 0; i < inputs; i++) sum += x!.values[i]! * w!.values[k * inputs + i]!;
      return sum;
    });
  },
};
