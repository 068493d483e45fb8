/** QONNX BipolarQuant: +scale where x >= 0, -scale elsewhere. */
import { numberOf } from "../graph.ts";
import { isPowerOfTwo } from "../grid.ts";
import type { Operator } from "../operator.ts";

export const bipolarQuant: Operator = {
  op: "bipolarQuant",
  exactness: "exact on grids",
  shape: (_node, [x]) => x!.shape,
  grid(node) {
    const scale = numberOf(node, "scale");
    return isPowerOfTwo(scale) ? { step: scale, min: -1, max: 1 } : undefined;
  },
  run(node, [x]) {
    const scale = numberOf(node, "scale");
    return x!.values.map((v) => (v >= 0 ? scale : -scale));
  },
};
