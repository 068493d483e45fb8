/** A multi-layer perceptron for tabular data: 16 features, three hidden layers, five classes. */
import type { Exporter, Feature } from "../exporter.ts";

export function mlp(to: Exporter): Feature {
  let x = to.input([16]);
  for (const [index, outputs] of [64, 32, 32].entries())
    x = to.dense(x, `dense.${index}`, { outputs, activation: "relu" });
  return to.dense(x, "out", { outputs: 5, weightBits: 8 });
}
