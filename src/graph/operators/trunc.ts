/**
 * QONNX Trunc: drops low bits. The integer behind x, round(x / scale + zero), is divided by 2^shift, clipped to `bits` bits
 * and rounded to q; the value is (q - zero / 2^shift) * outputScale.
 */
import { numberOf } from "../graph.ts";
import type { Operator } from "../operator.ts";
import { ROUNDING, rangeOf } from "./quant.ts";

export const trunc: Operator = {
  op: "trunc",
  exactness: "exact on grids",
  shape: (_node, [x]) => x!.shape,
  grid(node, [x]) {
    const zero = numberOf(node, "zero") / 2 ** numberOf(node, "shift");
    if (!Number.isInteger(zero)) return undefined;
    const step = numberOf(node, "outputScale");
    if (x!.grid) {
      // It rises: the ends of the input's range give those of the output's.
      const ends = Float64Array.of(x!.grid.min, x!.grid.max).map((n) => n * x!.grid!.step);
      const [min, max] = this.run(node, [{ shape: [2], values: ends }], [2]).map((value) => Math.round(value / step));
      return { step, min: min!, max: max! };
    }
    const { low, high } = rangeOf(node);
    return { step, min: low - zero, max: high - zero };
  },
  run(node, [x]) {
    const scale = numberOf(node, "scale");
    const zero = numberOf(node, "zero");
    const divisor = 2 ** numberOf(node, "shift");
    const outputScale = numberOf(node, "outputScale");
    const round = ROUNDING[String(node.attributes.rounding)]!;
    const { low, high } = rangeOf(node);
    return x!.values.map((v) => {
      const n = ROUNDING.ROUND!(Math.fround(Math.fround(v / scale) + zero)) / divisor;
      return (round(Math.min(Math.max(n, low), high)) - zero / divisor) * outputScale;
    });
  },
};
