/** MobileNetV1: the network of MLPerf Tiny's visual wake words (96x96x3, a quarter of the channels, two classes), and a block of it. */
import type { Exporter, Feature } from "../exporter.ts";
import { separable } from "./separable.ts";

/** [channels at full width, stride] of the thirteen layers. */
const LAYERS = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
] as const;
const WIDTH = 0.25;

export function mobilenetV1(to: Exporter): Feature {
  let x = to.input([3, 96, 96]);
  x = to.conv(x, "conv", { outputs: 32 * WIDTH, kernel: [3, 3], stride: 2, activation: "relu", weightBits: 8 });
  for (const [index, [channels, stride]] of LAYERS.entries())
    x = separable(to, x, `layer.${index}`, channels * WIDTH, stride);
  return to.dense(to.globalPool(x, "head"), "fc", { outputs: 2, weightBits: 8 });
}

/** Two layers on a small map, the first of which halves it. */
export function mobilenetV1Block(to: Exporter): Feature {
  let x = to.input([8, 16, 16]);
  x = separable(to, x, "layer.0", 16, 2);
  x = separable(to, x, "layer.1", 16, 1);
  return to.dense(to.globalPool(x, "head"), "fc", { outputs: 4, weightBits: 8 });
}
