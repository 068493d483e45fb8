/** DS-CNN of MLPerf Tiny's keyword spotting: 49x10 features, 64 channels, four depthwise separable layers, twelve words. */
import type { Exporter, Feature } from "../exporter.ts";
import { separable } from "./separable.ts";

export function dsCnn(to: Exporter): Feature {
  let x = to.input([1, 49, 10]);
  x = to.conv(x, "conv", { outputs: 64, kernel: [10, 4], stride: 2, activation: "relu", weightBits: 8 });
  for (let index = 0; index < 4; index++) x = separable(to, x, `ds.${index}`, 64, 1);
  return to.dense(to.globalPool(x, "head"), "fc", { outputs: 12, weightBits: 8 });
}
