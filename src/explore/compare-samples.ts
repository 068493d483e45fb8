/** Samples to compare a model on: files, or random ones where there are none. */
import type { Manifest } from "../bundle/manifest.ts";
import { randomFrom } from "../zoo/random.ts";
import { readSample } from "./sample-file.ts";
import { readSamples } from "./samples.ts";

/**
 * @param paths PNG, JPEG or JSON files, or files of records (.bin), of which the first `count` are taken
 * @throws HedgeError (usage, input) when a file cannot be read or does not fit the model
 */
export async function compareSamples(
  paths: readonly string[],
  manifest: Manifest,
  { count, seed }: { count: number; seed: number },
): Promise<Int8Array[]> {
  if (paths.length === 0)
    return Array.from({ length: count }, (_, i) => randomSample(manifest.module.inputBytes, seed + i));
  const samples: Int8Array[] = [];
  for (const path of paths) {
    if (path.endsWith(".bin")) samples.push(...(await readSamples(path, manifest, count)).images);
    else samples.push(await readSample(path, manifest));
  }
  return samples;
}

/** A random walk over the signed bytes: neighbours are alike, as in images and signals, and all values occur. */
function randomSample(size: number, seed: number): Int8Array {
  const random = randomFrom(seed);
  let level = 0;
  return Int8Array.from({ length: size }, () => {
    level += Math.round((random() - 0.5) * 80);
    if (level > 127 || level < -128) level = Math.round((random() - 0.5) * 255);
    return level;
  });
}
