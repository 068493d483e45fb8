/** Fleets in real time: mosquitto, the real worker, devices on this machine. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../../../test/support/brokers.ts";
import { openField, PATIENT } from "../../../test/support/real-fleet.ts";
import { assemble, tinyBundle } from "../../../test/support/tiny-bundle.ts";
import { tinyCloudOnnx } from "../../../test/support/tiny-cloud.ts";
import { writeBundle } from "../../bundle/write.ts";
import { totals } from "../report/totals.ts";
import type { FleetResult } from "../result.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const GROUP = { ...PATIENT, name: "porch", count: 20 };

test("twenty devices: every sample is answered, by the device or by the worker", async () => {
  const field = await openField(cleanups);
  const served = await field.worker();
  const groups = [{ ...GROUP, arrivals: { kind: "periodic", every: "100ms" } }];
  const { total, ...result } = await field.run({ duration: "2s", groups });
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
  expect(group!.model.digest).toBe(field.bundle.digest);
  expect(group!.latency.cloud!.count).toBe(total.cloud);
  expect(result.intervals.map(({ up }) => up)).toEqual([20, 20, 20, 20]);
  expect(result).toMatchObject({ time: "real", duration: 2, devices: 20 });
});

test("what a device does starts over with it: samples are lost, images are new, and it comes back", async () => {
  const field = await openField(cleanups);
  // Nobody answers, so that every device holds samples when it starts again.
  const reboots = { every: "500ms", take: "20ms" };
  const groups = [{ ...GROUP, count: 5, threshold: 0, reboots, deadline: "10s" }];
  const { total, ...result } = await field.run({
    duration: "3s",
    groups: groups.map((group) => ({ ...group, arrivals: { kind: "periodic", every: "50ms" } })),
  });
  expect(result.groups[0]!.reboots).toBeGreaterThan(0);
  expect(total.fallback.lost).toBeGreaterThan(0);
  const { answered, dropped } = totals(total);
  expect(answered + dropped).toBe(total.arrivals);
  expect(total.right.fallback).toBeLessThanOrEqual(total.fallback.deadline);
  expect(total.cloud).toBe(0);
});

test("links lose frames and connections; samples are offered again, and none stays without an answer", async () => {
  const field = await openField(cleanups);
  await field.worker();
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
  const { total, latency } = await field.run({ duration: "2s", engine: "v8", groups });
  expect(total.cloud).toBe(total.arrivals);
  expect(total.frames).toBeGreaterThan(1.2 * total.arrivals);
  expect(latency.cloud!.quantiles[0]).toBeGreaterThanOrEqual(10);
  // Whoever came during the outage waited for its end.
  expect(latency.cloud!.max).toBeGreaterThan(300);
});

test("a device whose clock is far behind gets everything back as expired", async () => {
  const field = await openField(cleanups);
  await field.worker();
  const clock = { offset: "1000d" };
  const groups = [{ ...GROUP, count: 8, threshold: 0, clock, arrivals: { kind: "periodic", every: "500ms" } }];
  const { total } = await field.run({ duration: "1s", groups });
  expect(total.fallback.expired).toBeGreaterThan(0);
  expect(total.fallback.expired + total.cloud).toBe(total.arrivals);
});

test("samples beyond the queue are dropped, and the time of an inference is the board's", async () => {
  const field = await openField(cleanups);
  const arrivals = { kind: "periodic", every: "20ms", phase: "0ms" };
  const groups = [{ ...GROUP, count: 3, threshold: 100, queue: 1, inferenceTime: "200ms", arrivals }];
  const { total, latency } = await field.run({ duration: "1s", groups });
  expect(total.dropped.busy).toBeGreaterThan(total.exited);
  expect(total.exited + total.dropped.busy).toBe(total.arrivals);
  expect(latency.edge!.quantiles[0]).toBeGreaterThanOrEqual(199);
});

test("a run that is stopped early says so, with what was known by then", async () => {
  const field = await openField(cleanups);
  const stop = new AbortController();
  const report = ({ samples }: { samples: number }) => samples > 20 && stop.abort();
  const groups = [{ ...GROUP, threshold: 100, arrivals: { kind: "periodic", every: "50ms" } }];
  const result = await field.run({ duration: "1h", groups }, { signal: stop.signal, report });
  expect(result.stopped).toBeLessThan(3600);
  expect(result.total.exited).toBeGreaterThan(20);
});

test("arrivals and samples are the seed's", async () => {
  const field = await openField(cleanups);
  const groups = [{ ...GROUP, count: 4, threshold: 100, arrivals: { kind: "poisson", every: "50ms" } }];
  const once = await field.run({ duration: "1s", seed: 5, groups });
  const again = await field.run({ duration: "1s", seed: 5, groups });
  const other = await field.run({ duration: "1s", seed: 6, groups });
  const facts = ({ groups: [group] }: FleetResult) => JSON.stringify(group!.classes);
  expect(facts(again)).toBe(facts(once));
  expect(facts(other)).not.toBe(facts(once));
});

test("no broker, and a module that fails", async () => {
  const field = await openField(cleanups);
  const groups = [{ ...GROUP, count: 2 }];
  await expect(field.run({ broker: `mqtt://127.0.0.1:${await freePort()}`, duration: "1s", groups })).rejects.toThrow(
    "No MQTT broker",
  );
  const edgeWasm = assemble(`(module (import "hedge" "load_weights" (func (param i32 i32 i32)))
    (memory (export "memory") 1 1) (func (export "step") (param i32) (result i32) (unreachable)))`);
  await writeBundle(join(field.folder, "trap"), await tinyBundle({ edgeWasm, cloudOnnx: tinyCloudOnnx() }));
  const trapping = [{ ...GROUP, bundle: "trap", arrivals: { kind: "periodic", every: "100ms" } }];
  await expect(field.run({ duration: "1h", groups: trapping })).rejects.toThrow(
    /Device \d+, sample \d+, bundle .*: step 0 failed/,
  );
});
