/** Fleets in real time: mosquitto, the real worker, devices on this machine and real firmware. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { freePort, startMosquitto } from "../../../test/support/brokers.ts";
import { builtFile } from "../../../test/support/built.ts";
import { assemble, tinyBundle } from "../../../test/support/tiny-bundle.ts";
import { tinyCloudOnnx, tinyHybrid, unsureSample } from "../../../test/support/tiny-cloud.ts";
import type { Bundle } from "../../bundle/bundle.ts";
import { writeBundle } from "../../bundle/write.ts";
import { startWorker } from "../../cloud/worker.ts";
import { openCompute } from "../compute.ts";
import { loadFleet } from "../load.ts";
import type { FleetResult } from "../result.ts";
import { fleetSchema } from "../spec.ts";
import { settledIn } from "../tally.ts";
import { type RealOptions, runReal } from "./run-real.ts";

const script = builtFile("fleet/compute-thread.js");
const log = pino({ level: "silent" });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Samples of which every second is sure, with labels that are its place modulo 3. */
const SAMPLES = Array.from({ length: 30 }, (_, i) => (i % 2 ? unsureSample(i) : Int8Array.of(i, -i, 3, i % 9)));

/** A broker, and a folder with the tiny model's bundle and its samples. */
async function setUp() {
  const broker = await startMosquitto();
  cleanups.push(() => broker.close());
  const folder = await mkdtemp(join(tmpdir(), "hedge-real-"));
  cleanups.push(() => rm(folder, { recursive: true }));
  const bundle = await tinyHybrid();
  await writeBundle(join(folder, "tiny"), bundle);
  const records = SAMPLES.flatMap((sample, i) => [i % 3, ...Array.from(sample, (value) => value + 128)]);
  await writeFile(join(folder, "samples.bin"), Uint8Array.from(records));
  return { broker, folder, bundle };
}

async function worker(broker: string, bundle: Bundle) {
  const started = await startWorker({ broker, bundles: [bundle], name: "w", processes: 1, log });
  cleanups.push(() => started.stop());
  return started;
}

const GROUP = { name: "porch", count: 20, bundle: "tiny", inferenceTime: "1ms", deadline: "1h", queue: 1000 };

async function run(broker: string, folder: string, fleet: object, options: RealOptions = {}): Promise<FleetResult> {
  const spec = fleetSchema.parse({ time: "real", broker, data: "samples.bin", intervals: 4, ...fleet });
  const loaded = await loadFleet(spec, folder);
  const samples = loaded.samples.map(({ images }) => images);
  const { bundles, devices } = loaded;
  const compute = await openCompute({ kind: spec.engine, bundles, samples, devices, threads: 1, script });
  cleanups.push(() => compute.close());
  return runReal(loaded, compute, options);
}

test("twenty devices: every sample is answered, by the device or by the worker", async () => {
  const { broker, folder, bundle } = await setUp();
  const served = await worker(broker.url, bundle);
  const groups = [{ ...GROUP, arrivals: { kind: "periodic", every: "100ms" } }];
  const { total, ...result } = await run(broker.url, folder, { duration: "2s", groups });
  // 20 in two seconds from each, the first of them at a phase of its own.
  expect(total.arrivals).toBe(20 * 20);
  expect(total.exited + total.cloud).toBe(total.arrivals);
  expect(total.cloud).toBeGreaterThan(100);
  expect(total.exited).toBeGreaterThan(100);
  expect(total.frames).toBeGreaterThanOrEqual(total.cloud);
  expect(total.bytesUp).toBeGreaterThan(50 * total.frames);
  expect(served.counts.answered).toBeGreaterThanOrEqual(total.cloud);
  const [group] = result.groups;
  expect(group).toMatchObject({ name: "porch", devices: 20, engine: "wasm3", threshold: 0.5, reboots: 0 });
  expect(group!.model.digest).toBe(bundle.digest);
  expect(group!.latency.cloud!.count).toBe(total.cloud);
  expect(result.intervals.map(({ up }) => up)).toEqual([20, 20, 20, 20]);
  expect(result).toMatchObject({ time: "real", duration: 2, devices: 20 });
});

test("what a device does starts over with it: samples are lost, images are new, and it comes back", async () => {
  const { broker, folder } = await setUp();
  // Nobody answers, so that every device holds samples when it starts again.
  const reboots = { every: "500ms", take: "20ms" };
  const groups = [{ ...GROUP, count: 5, threshold: 0, reboots, deadline: "10s" }];
  const { total, ...result } = await run(broker.url, folder, {
    duration: "3s",
    groups: groups.map((group) => ({ ...group, arrivals: { kind: "periodic", every: "50ms" } })),
  });
  expect(result.groups[0]!.reboots).toBeGreaterThan(0);
  expect(total.fallback.lost).toBeGreaterThan(0);
  expect(settledIn(total)).toBe(total.arrivals);
  expect(total.right.fallback).toBeLessThanOrEqual(total.fallback.deadline);
  expect(total.cloud).toBe(0);
});

test("links lose frames and connections; samples are offered again, and none stays without an answer", async () => {
  const { broker, folder, bundle } = await setUp();
  await worker(broker.url, bundle);
  const link = {
    latency: "5ms",
    jitter: "5ms",
    bandwidth: "1Mbit/s",
    loss: "30%",
    outages: [{ at: "500ms", last: "500ms" }],
  };
  const backoff = { first: "100ms", longest: "200ms" };
  const arrivals = { kind: "poisson", every: "100ms" };
  const groups = [{ ...GROUP, count: 10, threshold: 0, maxInFlight: 64, link, backoff, arrivals }];
  const { total, latency } = await run(broker.url, folder, { duration: "2s", engine: "v8", groups });
  expect(total.cloud).toBe(total.arrivals);
  expect(total.frames).toBeGreaterThan(1.2 * total.arrivals);
  expect(latency.cloud!.quantiles[0]).toBeGreaterThanOrEqual(10);
  // Whoever came during the outage waited for its end.
  expect(latency.cloud!.max).toBeGreaterThan(300);
});

test("a device whose clock is far behind gets everything back as expired", async () => {
  const { broker, folder, bundle } = await setUp();
  await worker(broker.url, bundle);
  const clock = { offset: "1000d" };
  const groups = [
    { ...GROUP, count: 8, threshold: 0, deadline: "1m", clock, arrivals: { kind: "periodic", every: "500ms" } },
  ];
  const { total } = await run(broker.url, folder, { duration: "1s", groups });
  expect(total.fallback.expired).toBeGreaterThan(0);
  expect(total.fallback.expired + total.cloud).toBe(total.arrivals);
});

test("samples beyond the queue are dropped, and the time of an inference is the board's", async () => {
  const { broker, folder } = await setUp();
  const arrivals = { kind: "periodic", every: "20ms", phase: "0ms" };
  const groups = [{ ...GROUP, count: 3, threshold: 100, queue: 1, inferenceTime: "200ms", arrivals }];
  const { total, latency } = await run(broker.url, folder, { duration: "1s", groups });
  expect(total.dropped.busy).toBeGreaterThan(total.exited);
  expect(total.exited + total.dropped.busy).toBe(total.arrivals);
  expect(latency.edge!.quantiles[0]).toBeGreaterThanOrEqual(199);
});

test("a run that is stopped early says so, with what was known by then", async () => {
  const { broker, folder } = await setUp();
  const stop = new AbortController();
  const report = ({ samples }: { samples: number }) => samples > 20 && stop.abort();
  const groups = [{ ...GROUP, threshold: 100, arrivals: { kind: "periodic", every: "50ms" } }];
  const result = await run(broker.url, folder, { duration: "1h", groups }, { signal: stop.signal, report });
  expect(result.stopped).toBeLessThan(3600);
  expect(result.total.exited).toBeGreaterThan(20);
});

test("arrivals and samples are the seed's", async () => {
  const { broker, folder } = await setUp();
  const groups = [{ ...GROUP, count: 4, threshold: 100, arrivals: { kind: "poisson", every: "50ms" } }];
  const once = await run(broker.url, folder, { duration: "1s", seed: 5, groups });
  const again = await run(broker.url, folder, { duration: "1s", seed: 5, groups });
  const other = await run(broker.url, folder, { duration: "1s", seed: 6, groups });
  const facts = ({ groups: [group] }: FleetResult) => JSON.stringify(group!.classes);
  expect(facts(again)).toBe(facts(once));
  expect(facts(other)).not.toBe(facts(once));
});

test("no broker, and a module that fails", async () => {
  const { broker, folder } = await setUp();
  const groups = [{ ...GROUP, count: 2 }];
  await expect(run(`mqtt://127.0.0.1:${await freePort()}`, folder, { duration: "1s", groups })).rejects.toThrow(
    "No MQTT broker",
  );
  const edgeWasm = assemble(`(module (import "hedge" "load_weights" (func (param i32 i32 i32)))
    (memory (export "memory") 1 1) (func (export "step") (param i32) (result i32) (unreachable)))`);
  await writeBundle(join(folder, "trap"), await tinyBundle({ edgeWasm, cloudOnnx: tinyCloudOnnx() }));
  const trapping = [{ ...GROUP, bundle: "trap", arrivals: { kind: "periodic", every: "100ms" } }];
  await expect(run(broker.url, folder, { duration: "1h", groups: trapping })).rejects.toThrow(
    /Device \d+, sample \d+, bundle .*: step 0 failed/,
  );
});
