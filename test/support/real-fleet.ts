/** Fleets in real time for tests: mosquitto, the tiny model and its samples in a folder. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Bundle } from "../../src/bundle/bundle.ts";
import { writeBundle } from "../../src/bundle/write.ts";
import { type CloudWorker, startWorker } from "../../src/cloud/worker.ts";
import { openCompute } from "../../src/fleet/compute.ts";
import { loadFleet } from "../../src/fleet/load.ts";
import { type RealOptions, runReal } from "../../src/fleet/real/run-real.ts";
import type { FleetResult } from "../../src/fleet/result.ts";
import { fleetSchema } from "../../src/fleet/spec.ts";
import { startMosquitto, type TestBroker } from "./brokers.ts";
import { builtFile } from "./built.ts";
import { tinyHybrid, unsureSample } from "./tiny-cloud.ts";

const script = builtFile("fleet/compute-thread.js");

/** Every second is sure. */
const SAMPLES = Array.from({ length: 30 }, (_, i) => (i % 2 ? unsureSample(i) : Int8Array.of(i, -i, 3, i % 9)));

/** Devices that take no time, and wait for the cloud as long as a slow machine makes them. */
export const PATIENT = { bundle: "tiny", inferenceTime: "1ms", deadline: "1h", queue: 1000 };

export interface RealField {
  readonly broker: TestBroker;
  /** With the bundle `tiny` and its samples. */
  readonly folder: string;
  readonly bundle: Bundle;
  worker(): Promise<CloudWorker>;
  /** @param fleet what of its file is not the same in every test */
  run(fleet: object, options?: RealOptions): Promise<FleetResult>;
}

/** @param cleanups to be called after the test, last first */
export async function openField(cleanups: (() => unknown)[]): Promise<RealField> {
  const broker = await startMosquitto();
  cleanups.push(() => broker.close());
  const folder = await mkdtemp(join(tmpdir(), "hedge-real-"));
  cleanups.push(() => rm(folder, { recursive: true }));
  const bundle = await tinyHybrid();
  await writeBundle(join(folder, "tiny"), bundle);
  const records = SAMPLES.flatMap((sample, i) => [i % 3, ...Array.from(sample, (value) => value + 128)]);
  await writeFile(join(folder, "samples.bin"), Uint8Array.from(records));
  return {
    broker,
    folder,
    bundle,
    async worker() {
      const log = pino({ level: "silent" });
      const worker = await startWorker({ broker: broker.url, bundles: [bundle], name: "w", processes: 1, log });
      cleanups.push(() => worker.stop());
      return worker;
    },
    async run(fleet, options) {
      const spec = fleetSchema.parse({ time: "real", broker: broker.url, data: "samples.bin", intervals: 4, ...fleet });
      const loaded = await loadFleet(spec, folder);
      const samples = loaded.samples.map(({ images }) => images);
      const { bundles, devices } = loaded;
      const compute = await openCompute({ kind: spec.engine, bundles, samples, devices, threads: 1, script });
      cleanups.push(() => compute.close());
      return runReal(loaded, compute, options);
    },
  };
}
