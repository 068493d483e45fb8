/**
 * A monotone quantiser of an integer grid, as thresholds: what batch norm followed by sign() or a uniform quantiser folds into
 * (Umuroglu et al. 2017, FINN, section 4.2.2). Inputs: x, and per channel `thresholds` [C, levels - 1], integers in
 * units of x's step, in ascending order. Attribute `rising` has 1 or 0 per channel: for 0 the integer n of x is replaced by
 * -n - 1, its bitwise complement, which turns a falling function into a rising one. The level is the number of thresholds
 * that n reaches; the value is (level + offset) * scale.
 */
import { numberOf, numbersOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { operandIndex } from "./elementwise.ts";

export const threshold: Operator = {
  op: "threshold",
  exactness: "exact on grids",
  shape(node, [x, thresholds]) {
    if (thresholds!.shape[0] !== x!.shape[0])
      fail(node, `thresholds for ${thresholds!.shape[0]} channels, the input has ${x!.shape[0]}`);
    if (!x!.grid) fail(node, "the input is not on a grid");
    return x!.shape;
  },
  grid(node, [, thresholds]) {
    const scale = numberOf(node, "scale");
    const offset = numberOf(node, "offset");
    const levels = thresholds!.shape[1]! + 1;
    // Half-integer offsets (bipolar: -1/2) are integers on a grid of half the step.
    const step = Number.isInteger(offset) ? scale : scale / 2;
    return { step, min: (offset * scale) / step, max: ((levels - 1 + offset) * scale) / step };
  },
  run(node, [x, thresholds], shape) {
    const step = numberOf(node, "inputStep");
    const scale = numberOf(node, "scale");
    const offset = numberOf(node, "offset");
    const rising = numbersOf(node, "rising");
    const steps = thresholds!.shape[1]!;
    const channelOf = operandIndex(shape, shape[0]!);
    return x!.values.map((value, i) => {
      const c = channelOf(i);
      const integer = Math.round(value / step);
      const n = rising[c] ? integer : -integer - 1;
      let level = 0;
      for (let t = 0; t < steps; t++) if (n >= thresholds!.values[c * steps + t]!) level++;
      return (level + offset) * scale;
    });
  },
};
