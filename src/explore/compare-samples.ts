/** Samples to compare a model on: files, or random ones where there are none. */
import type { Manifest } from "../bundle/manifest.ts";
import { elementCount } from "../graph/graph.ts";
import { randomFrom } from "../zoo/random.ts";
import { inputRange, packInput } from "./input-bytes.ts";
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
  if (paths.length === 0) return Array.from({ length: count }, (_, i) => randomSample(manifest.input, seed + i));
  const samples: Int8Array[] = [];
  for (const path of paths) {
    if (path.endsWith(".bin")) samples.push(...(await readSamples(path, manifest, count)).images);
    else samples.push(await readSample(path, manifest));
  }
  return samples;
}

/** A random walk over the input's integers: neighbours are alike, as in images and signals, and all values occur. */
function randomSample(input: Manifest["input"], seed: number): Int8Array {
  const random = randomFrom(seed);
  const [low, high] = inputRange(input);
  const span = high - low;
  let level = Math.round((low + high) / 2);
  const walk = Array.from({ length: elementCount(input.shape) }, () => {
    level += Math.round((random() - 0.5) * 0.3 * span);
    if (level > high || level < low) level = Math.round(low + random() * span);
    return level;
  });
  return packInput(walk, input);
}
