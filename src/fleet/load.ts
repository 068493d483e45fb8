/** What a fleet's file names, read and checked: bundles, samples, boards. Groups of one bundle share it, and its samples. */
import { resolve } from "node:path";
import { findBoard } from "../boards/boards.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { type HybridManifest, requireHybrid } from "../bundle/manifest.ts";
import { readBundle } from "../bundle/read.ts";
import { HedgeError } from "../errors.ts";
import { loadSamples } from "../explore/load-samples.ts";
import type { Samples } from "../explore/samples.ts";
import { estimateInferenceTime, type InferenceTime } from "./inference-time.ts";
import { deviceCount, type FleetSpec, type GroupSpec } from "./spec.ts";
import { DEFAULT_CLASSES } from "./spec-group.ts";

const DEFAULT_BOARD = "stm32f4-discovery";

/** A set of labelled samples, as places among its bundle's. */
export interface SampleSet {
  /** By label: places of the samples that bear it. */
  readonly byClass: readonly Int32Array[];
  readonly start: number;
  readonly count: number;
}

export interface LoadedGroup {
  readonly spec: GroupSpec;
  /** Place of its first device in the fleet; the others follow. */
  readonly firstDevice: number;
  /** Place of its bundle among the fleet's. */
  readonly bundle: number;
  readonly manifest: HybridManifest;
  /** Nats. */
  readonly threshold: number;
  readonly inferenceTime: InferenceTime;
  readonly samples: SampleSet;
  /** What its data drift to, where that are other samples. */
  readonly driftSamples: SampleSet | undefined;
}

export interface LoadedFleet {
  readonly spec: FleetSpec;
  readonly devices: number;
  readonly groups: readonly LoadedGroup[];
  readonly bundles: readonly Bundle[];
  /** Of each bundle: all that its groups name, one set after another. */
  readonly samples: readonly Samples[];
}

/**
 * @param folder to which the paths in the file are relative
 * @throws HedgeError (input, usage) that names what is missing or does not fit
 */
export async function loadFleet(spec: FleetSpec, folder: string): Promise<LoadedFleet> {
  const bundles: OpenBundle[] = [];
  const groups: LoadedGroup[] = [];
  let firstDevice = 0;
  for (const group of spec.groups) {
    const bundle = await openBundle(bundles, resolve(folder, group.bundle));
    const set = (path: string) => sampleSet(bundle, resolve(folder, path));
    // The schema sees to it that there is one or the other.
    const samples = await set((group.data.set ?? spec.data)!);
    const drift = group.data.drift?.set;
    const driftSamples = drift === undefined ? undefined : await set(drift);
    for (const each of [samples, driftSamples]) if (each !== undefined) checkShards(group, each);
    const { manifest } = bundle;
    groups.push({
      spec: group,
      firstDevice,
      bundle: bundles.indexOf(bundle),
      manifest,
      threshold: group.threshold ?? manifest.exit.threshold,
      inferenceTime: await timeOf(group, bundle),
      samples,
      driftSamples,
    });
    firstDevice += group.count;
  }
  return {
    spec,
    devices: deviceCount(spec),
    groups,
    bundles: bundles.map(({ bundle }) => bundle),
    samples: bundles.map(({ images, labels }) => ({ images, labels: Uint16Array.from(labels) })),
  };
}

interface OpenBundle {
  readonly bundle: Bundle;
  readonly manifest: HybridManifest;
  readonly images: Int8Array[];
  readonly labels: number[];
  readonly sets: Map<string, SampleSet>;
}

async function openBundle(known: OpenBundle[], path: string): Promise<OpenBundle> {
  const bundle = await readBundle(path);
  const same = known.find((open) => open.bundle.digest === bundle.digest);
  if (same !== undefined) return same;
  const open = { bundle, manifest: requireHybrid(bundle.manifest), images: [], labels: [], sets: new Map() };
  known.push(open);
  return open;
}

async function sampleSet({ manifest, images, labels, sets }: OpenBundle, path: string): Promise<SampleSet> {
  const known = sets.get(path);
  if (known !== undefined) return known;
  const samples = await loadSamples(path, manifest);
  const start = images.length;
  for (const [i, image] of samples.images.entries()) {
    images.push(image);
    labels.push(samples.labels[i]!);
  }
  const byClass = manifest.classes.map((_, label) =>
    Int32Array.from([...samples.labels.keys()].filter((i) => samples.labels[i] === label)).map((i) => start + i),
  );
  const set = { byClass, start, count: samples.images.length };
  sets.set(path, set);
  return set;
}

function checkShards({ name, data }: GroupSpec, { byClass }: SampleSet): void {
  if (data.shard !== "by-class") return;
  const { classes = DEFAULT_CLASSES } = data;
  const present = byClass.filter(({ length }) => length > 0).length;
  if (classes > present)
    throw new HedgeError(
      "input",
      `Devices of the group ${name} are to see ${classes} classes each, but their samples are of ${present}.`,
      "Ask for fewer classes, or name other samples.",
    );
}

async function timeOf(group: GroupSpec, { bundle, images }: OpenBundle): Promise<InferenceTime> {
  if (group.inferenceTime !== undefined) return group.inferenceTime;
  return estimateInferenceTime(bundle, images[0]!, await findBoard(group.board ?? DEFAULT_BOARD));
}

/** Samples per second of a device, on average. */
export function meanArrivals({ arrivals }: GroupSpec): number {
  const rate = 1e3 / arrivals.every;
  return arrivals.kind === "bursts" ? (rate * arrivals.on) / (arrivals.on + arrivals.off) : rate;
}
