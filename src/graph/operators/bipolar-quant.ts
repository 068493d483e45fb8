/** QONNX BipolarQuant: +scale where x >= 0, -scale elsewhere; one scale, or one per channel (the first axis). */
import { perChannelOf } from "../graph.ts";
import type { Operator } from "../operator.ts";
import { checkPerChannel, operandIndex } from "./elementwise.ts";

export const bipolarQuant: Operator = {
  op: "bipolarQuant",
  exactness: "exact on grids",
  shape(node, [x]) {
    checkPerChannel(node, x!, "scale");
    return x!.shape;
  },
  grid(node) {
    const [scale, ...others] = perChannelOf(node, "scale");
    return others.every((other) => other === scale) ? { step: scale!, min: -1, max: 1 } : undefined;
  },
  run(node, [x]) {
    const scales = perChannelOf(node, "scale");
    const channelOf = operandIndex(x!.shape, scales.length);
    return x!.values.map((v, i) => (v >= 0 ? scales[channelOf(i)]! : -scales[channelOf(i)]!));
  },
};
