/** The depthwise separable convolution: 3x3 for each channel, then 1x1 over all channels. */
import type { Exporter, Feature } from "../exporter.ts";

export function separable(to: Exporter, x: Feature, name: string, outputs: number, stride: number): Feature {
  const [channels] = x.shape as [number];
  const depthwise = { outputs: channels, kernel: [3, 3], stride, depthwise: true, activation: "relu" } as const;
  const spread = to.conv(x, `${name}.dw`, depthwise);
  return to.conv(spread, `${name}.pw`, { outputs, kernel: [1, 1], stride: 1, activation: "relu" });
}
