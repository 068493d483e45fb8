/** What scenes of the worker tier need: the command line, compiled, and a small model with its samples. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bundle } from "../../src/bundle/bundle.ts";
import { compileModel } from "../../src/bundle/compile.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { loadSamplesOf } from "../../src/explore/cloud-bench/load-samples.ts";
import type { Setting } from "../../src/explore/cloud-bench/stage.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { type HybridShape, hybridModel, smallShape } from "../../src/zoo/hybrid.ts";
import { buildCli } from "./built.ts";
import { randomImages } from "./random.ts";

export interface CloudSetting {
  readonly bundle: Bundle;
  readonly setting: Setting;
  remove(): Promise<void>;
}

/** @param change makes another bundle of the compiled one */
export async function cloudSetting({
  shape = smallShape(),
  change = async (bundle) => bundle,
}: {
  shape?: HybridShape;
  change?: (bundle: Bundle) => Promise<Bundle>;
} = {}): Promise<CloudSetting> {
  const hedge = buildCli();
  const parent = await mkdtemp(join(tmpdir(), "hedge-cloud-"));
  const compiled = await compileModel(encodeModel(hybridModel(shape)), "random.onnx");
  const bundle = await change(compiled.bundle);
  const folder = join(parent, "bundle");
  await writeBundle(folder, bundle);
  const samples = await loadSamplesOf(bundle, randomImages(64, [...shape.input], 1));
  return {
    bundle,
    setting: { hedge, folder, samples, report: () => {} },
    remove: () => rm(parent, { recursive: true, force: true }),
  };
}
