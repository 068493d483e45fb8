/** ResNet-8 of MLPerf Tiny's image classification: 32x32x3, three blocks of 16, 32 and 64 channels, ten classes. */
import type { Exporter, Feature } from "../exporter.ts";

export function resnet8(to: Exporter): Feature {
  const kernel = [3, 3] as const;
  let x = to.conv(to.input([3, 32, 32]), "conv", { outputs: 16, kernel, stride: 1, activation: "relu", weightBits: 8 });
  for (const [index, outputs] of [16, 32, 64].entries()) {
    const name = `block.${index}`;
    const stride = index === 0 ? 1 : 2;
    const first = to.conv(x, `${name}.1`, { outputs, kernel, stride, activation: "relu" });
    const second = to.conv(first, `${name}.2`, { outputs, kernel, stride: 1, activation: "none" });
    const shortcut =
      stride === 1 ? x : to.conv(x, `${name}.shortcut`, { outputs, kernel: [1, 1], stride, activation: "none" });
    x = to.sum(second, shortcut, name, "relu");
  }
  return to.dense(to.globalPool(x, "head"), "fc", { outputs: 10, weightBits: 8 });
}
