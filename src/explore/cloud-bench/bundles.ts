/** The models that are put under load, compiled, with the samples that devices offload. */
import { join } from "node:path";
import type { Bundle } from "../../bundle/bundle.ts";
import { compileModel } from "../../bundle/compile.ts";
import { writeBundle } from "../../bundle/write.ts";
import { encodeModel, readModelBytes } from "../../import/onnx/codec.ts";
import { hybridModel } from "../../zoo/hybrid.ts";
import { hybridResNet } from "../../zoo/hybrid-resnet.ts";
import { loadSamples } from "../load-samples.ts";
import { type LoadSample, loadSamplesOf } from "./load-samples.ts";
import { poisoned } from "./poison.ts";

export interface LoadBundle {
  readonly bundle: Bundle;
  readonly folder: string;
  readonly samples: readonly LoadSample[];
}

export interface LoadBundles {
  /** The model of a file: some tenths of a millisecond of cloud part. */
  readonly shipped: LoadBundle;
  /** The same, with a payload that kills. */
  readonly poisoned: LoadBundle & { readonly poison: Uint8Array };
  /** Random weights, a few milliseconds of cloud part. */
  readonly heavy: LoadBundle;
}

/** ResNet-110 for 32x32 images, 36 of its layers on the edge. */
const HEAVY = hybridResNet(110, 18, 2);
const IMAGES = 200;

/**
 * @param file of the shipped model (.onnx)
 * @param images labelled images: a folder or records
 * @param parent folder for the bundles
 */
export async function loadBundles(file: string, images: string, parent: string): Promise<LoadBundles> {
  const { bundle } = await compileModel(await readModelBytes(file), file);
  const heavy = await compileModel(encodeModel(hybridModel(HEAVY, { name: "resnet110-36e" })), "resnet110-36e.onnx");
  const { bundle: killing, poison } = await poisoned(bundle);
  // Of one shape for all of them.
  const { images: inputs } = await loadSamples(images, bundle.manifest, IMAGES);
  const write = async (name: string, written: Bundle): Promise<LoadBundle> => {
    const folder = join(parent, name);
    await writeBundle(folder, written);
    return { bundle: written, folder, samples: await loadSamplesOf(written, inputs) };
  };
  return {
    shipped: await write("shipped", bundle),
    poisoned: { ...(await write("poisoned", killing)), poison },
    heavy: await write("heavy", heavy.bundle),
  };
}
