/** The autoencoder of MLPerf Tiny's anomaly detection: 640 spectral values in and out, a bottleneck of 8. */
import type { Exporter, Feature } from "../exporter.ts";

const HIDDEN = [128, 128, 128, 128, 8, 128, 128, 128, 128] as const;

export function autoencoder(to: Exporter): Feature {
  let x = to.input([640]);
  for (const [index, outputs] of HIDDEN.entries()) x = to.dense(x, `dense.${index}`, { outputs, activation: "relu" });
  return to.dense(x, "out", { outputs: 640, weightBits: 8 });
}
