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
  grid(node) {
    const zero = numberOf(node, "zero") / 2 ** numberOf(node, "shift");
    const { low, high } = rangeOf(node);
    return Number.isInteger(zero)
      ? { step: numberOf(node, "outputScale"), min: low - zero, max: high - zero }
      : undefined;
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
