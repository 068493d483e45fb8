/**
 * The models a worker can finish: one per bundle, found by the bundle's digest.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { type PayloadSpec, requireHybrid } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import type { CloudModel } from "./session-pool.ts";

export interface ServedModel extends CloudModel {
  /** Place in the session pool. */
  readonly index: number;
  readonly digest: string;
  readonly payload: PayloadSpec;
  readonly classes: number;
}

/** By digest. Throws a HedgeError (input) for a bundle without a cloud part and when there is none at all. */
export function servedModels(bundles: readonly Bundle[]): Map<string, ServedModel> {
  const models = new Map<string, ServedModel>();
  for (const { manifest, digest, cloudOnnx } of bundles) {
    const { payload, cloud, name, classes } = requireHybrid(manifest);
    if (models.has(digest)) continue;
    models.set(digest, {
      index: models.size,
      digest,
      name,
      onnx: cloudOnnx!,
      input: cloud.input,
      output: cloud.output,
      payload,
      classes: classes.length,
    });
  }
  if (models.size === 0) {
    throw new HedgeError("usage", "The worker has no bundle to serve.", "Name at least one with --bundle.");
  }
  return models;
}
