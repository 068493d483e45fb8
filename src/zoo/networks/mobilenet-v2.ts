/** Blocks of MobileNetV2: inverted residuals with a linear bottleneck. */
import type { Exporter, Feature } from "../exporter.ts";

const EXPANSION = 6;

function invertedResidual(to: Exporter, x: Feature, name: string, outputs: number, stride: number): Feature {
  const [channels] = x.shape as [number];
  const wide = channels * EXPANSION;
  const expanded = to.conv(x, `${name}.expand`, { outputs: wide, kernel: [1, 1], stride: 1, activation: "relu6" });
  const depthwise = { outputs: wide, kernel: [3, 3], stride, depthwise: true, activation: "relu6" } as const;
  const spread = to.conv(expanded, `${name}.dw`, depthwise);
  const projected = to.conv(spread, `${name}.project`, { outputs, kernel: [1, 1], stride: 1, activation: "none" });
  return stride === 1 && outputs === channels ? to.sum(projected, x, name, "none") : projected;
}

/** One block with a shortcut, one that halves the map. */
export function mobilenetV2Block(to: Exporter): Feature {
  let x = to.input([8, 16, 16]);
  x = invertedResidual(to, x, "block.0", 8, 1);
  x = invertedResidual(to, x, "block.1", 16, 2);
  return to.dense(to.globalPool(x, "head"), "fc", { outputs: 4, weightBits: 8 });
}
