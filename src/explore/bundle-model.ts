/** What a hybrid bundle says of the model that it was compiled from, whether its metadata or options said it then. */
import type { HybridManifest } from "../bundle/manifest.ts";
import type { HybridMetadata } from "../import/metadata.ts";
import type { ImportOptions } from "../import/options.ts";

export function metadataOf({ name, cloud, exit, classes, input }: HybridManifest): HybridMetadata {
  const { tensor, rule, threshold } = exit;
  const { pixelStep } = input;
  return {
    name,
    cut: cloud.input,
    output: cloud.output,
    exit: { name: exit.name, logits: tensor, rule, threshold },
    classes,
    input: { name: input.name, pixelZero: 128, pixelStep },
  };
}

/** With these the model is imported as it was for the bundle. */
export function importOptionsOf({ cloud, exit, input }: HybridManifest): ImportOptions {
  return {
    cut: cloud.input,
    exits: [{ logits: exit.tensor, rule: exit.rule, threshold: exit.threshold }],
    input: { zero: input.pixelZero, step: input.pixelStep },
  };
}
