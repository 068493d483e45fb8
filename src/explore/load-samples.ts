/** Labelled images from wherever they lie. */
import { stat } from "node:fs/promises";
import type { Manifest } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { readSamples, type Samples } from "./samples.ts";
import { readStripSamples } from "./strip.ts";

/**
 * @param path a folder such as models/cifar10-test-500, or a file of records such as data/cifar10/test.bin
 * @param count the first so many only
 * @throws HedgeError (input) when there is nothing, or it does not fit the model
 */
export async function loadSamples(path: string, manifest: Manifest, count?: number): Promise<Samples> {
  const facts = await stat(path).catch((cause) => {
    throw new HedgeError("input", `${path} does not exist.`, "Give a folder of labelled images or a file of records.", {
      cause,
    });
  });
  return facts.isDirectory() ? readStripSamples(path, manifest, count) : readSamples(path, manifest, count);
}
