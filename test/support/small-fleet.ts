/** A fleet of the tiny model, and computing for it on this thread: real engines and onnxruntime, no threads. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { writeBundle } from "../../src/bundle/write.ts";
import type { Compute } from "../../src/fleet/compute.ts";
import { type LoadedFleet, loadFleet } from "../../src/fleet/load.ts";
import type { FleetResult } from "../../src/fleet/result.ts";
import { Shard } from "../../src/fleet/shard.ts";
import { type SimulateOptions, simulate } from "../../src/fleet/simulate.ts";
import { fleetSchema } from "../../src/fleet/spec.ts";
import { otherHybrid, tinyCloudLabel, tinyHybrid, unsureSample } from "./tiny-cloud.ts";

type Written = z.input<typeof fleetSchema>;
export type GroupText = Partial<Written["groups"][number]>;

/** Samples of the small fleet: every second one is final at the exit; three in four cloud answers are right. */
export const SMALL_SAMPLES = 64;

/** A folder with two bundles, `tiny` and `other`, and two sets of samples, `samples.bin` and `later.bin`. */
export async function smallFolder(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "hedge-fleet-"));
  await writeBundle(join(folder, "tiny"), await tinyHybrid());
  await writeBundle(join(folder, "other"), await otherHybrid());
  for (const [at, name] of ["samples.bin", "later.bin"].entries()) {
    const records = Array.from({ length: SMALL_SAMPLES }, (_, i) => {
      const pixels = unsureSample(i + 7 * at);
      if (i % 2 === 0) pixels[3] = i % 30;
      const label = (tinyCloudLabel(pixels) + (i % 8 === 1 ? 1 : 0)) % 3;
      return Buffer.from([label, ...Uint8Array.from(pixels, (pixel) => pixel + 128)]);
    });
    writeFileSync(join(folder, name), Buffer.concat(records));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Groups have the tiny bundle, its samples, and modules that take 100 ms, where they do not say otherwise. */
export function smallFleet(folder: string, groups: GroupText[], fleet: Partial<Written> = {}): Promise<LoadedFleet> {
  const written = {
    engine: "v8" as const,
    intervals: 6,
    data: "samples.bin",
    ...fleet,
    groups: groups.map((group, i) => ({
      name: `g${i}`,
      bundle: "tiny",
      ...(group.board === undefined && { inferenceTime: { exit: "80ms", full: "100ms" } }),
      ...group,
    })),
  };
  return loadFleet(fleetSchema.parse(written), folder);
}

export interface InProcess extends Compute {
  readonly resets: number[];
}

/** Each answer comes after `turns(job)` turns of the event loop, so that they come in any order that a test wants. */
export function computeInProcess(fleet: LoadedFleet, turns: () => number = () => 0): InProcess {
  const models = fleet.bundles.map((bundle, i) => {
    const { images } = fleet.samples[i]!;
    const shared = new SharedArrayBuffer(images.reduce((sum, { length }) => sum + length, 0));
    const bytes = new Int8Array(shared);
    let at = 0;
    for (const image of images) {
      bytes.set(image, at);
      at += image.length;
    }
    return { bundle, samples: shared };
  });
  const shard = new Shard(fleet.spec.engine, models, fleet.devices);
  return {
    kind: fleet.spec.engine,
    inferences: 0,
    resets: [],
    async run({ device, bundle, threshold, sample }) {
      for (let left = turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
      (this as { inferences: number }).inferences++;
      return shard.run(device, bundle, threshold, sample);
    },
    finish: (bundle, payload) => shard.finish(bundle, payload),
    reset(device) {
      this.resets.push(device);
      shard.reset(device);
    },
    imageBytes: async () => shard.imageBytes,
    close: () => shard.close(),
  };
}

/** Simulates it, computing on this thread. */
export async function simulateSmall(fleet: LoadedFleet, options: SimulateOptions = {}): Promise<FleetResult> {
  const compute = computeInProcess(fleet);
  try {
    return await simulate(fleet, compute, options);
  } finally {
    await compute.close();
  }
}
