/** Its inputs, one after another along `axis`. */
import { elementCount, numberOf } from "../graph.ts";
import { unionOf } from "../grid.ts";
import { fail, type Operator } from "../operator.ts";
import { indicesOf, stridesOf } from "./indices.ts";

export const concat: Operator = {
  op: "concat",
  exactness: "exact on grids",
  shape(node, inputs) {
    const axis = numberOf(node, "axis");
    const first = inputs[0]!.shape;
    for (const { shape } of inputs)
      if (shape.length !== first.length || shape.some((n, i) => i !== axis && n !== first[i]))
        fail(node, `shapes [${first}] and [${shape}] differ outside axis ${axis}`);
    return first.map((n, i) => (i === axis ? inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0) : n));
  },
  grid(_node, inputs) {
    const grids = inputs.flatMap(({ grid }) => grid ?? []);
    return grids.length === inputs.length ? unionOf(grids) : undefined;
  },
  run(node, inputs, shape) {
    const axis = numberOf(node, "axis");
    const strides = stridesOf(shape);
    const out = new Float64Array(elementCount(shape));
    let start = 0;
    for (const x of inputs) {
      for (const [i, o] of indicesOf(x.shape, strides, start * strides[axis]!).entries()) out[o] = x.values[i]!;
      start += x.shape[axis]!;
    }
    return out;
  },
};
