/** Virtual time as a whole: what is the same in every run, what adds up, and what arithmetic says beforehand. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCompute } from "../../src/fleet/compute.ts";
import type { LoadedFleet } from "../../src/fleet/load.ts";
import { totals } from "../../src/fleet/report/totals.ts";
import { type FleetResult, fleetResultSchema } from "../../src/fleet/result.ts";
import { simulate } from "../../src/fleet/simulate.ts";
import { sumOf } from "../../src/fleet/tally.ts";
import { builtFile } from "../support/built.ts";
import { computeInProcess, type GroupText, simulateSmall, smallFleet, smallFolder } from "../support/small-fleet.ts";

/** Compiled before any test's time runs. */
const script = builtFile("fleet/compute-thread.js");

let folder: string;
let remove: () => void;
beforeAll(async () => {
  ({ folder, remove } = await smallFolder());
});
afterAll(() => remove());

/** All that can happen to a device. */
const EVENTFUL: GroupText = {
  count: 12,
  arrivals: { kind: "bursts", every: "1s", on: "20s", off: "1m" },
  data: { shard: "skew", drift: { from: "2m", until: "6m", set: "later.bin" } },
  link: { latency: "30ms", jitter: "20ms", bandwidth: "20kbit/s", loss: "10%", outages: { every: "3m", last: "20s" } },
  energy: { active: "80mW", sleep: "1mW", radioByte: "20uJ", radioWake: "3mJ" },
  battery: { capacity: "0.4J", harvest: "2mW" },
  clock: { offset: "4s", drift: "1000ppm" },
  reboots: { every: "4m", take: "5s" },
  deadline: "5s",
  maxInFlight: 2,
};
const CLOUD = { workers: 2, outages: { every: "3m", last: "30s" }, brokerOutages: [{ at: "5m", last: "20s" }] };
const eventful = (engine: "v8" | "wasm3" = "v8", inference: "each" | "once" = "each") => {
  const other: GroupText = { bundle: "other", count: 5, threshold: 0.1, arrivals: { kind: "poisson", every: "2s" } };
  return smallFleet(folder, [EVENTFUL, other], { duration: "10m", cloud: CLOUD, engine, inference });
};

async function onThreads(fleet: LoadedFleet, threads: number): Promise<FleetResult> {
  const { bundles, devices, spec } = fleet;
  const samples = fleet.samples.map(({ images }) => images);
  const once = spec.inference === "once";
  const compute = await openCompute({ kind: spec.engine, bundles, samples, devices, threads, once, script });
  try {
    return await simulate(fleet, compute);
  } finally {
    await compute.close();
  }
}

describe("the same fleet gives the same result, byte for byte", () => {
  let expected: string;
  beforeAll(async () => {
    expected = JSON.stringify(await simulateSmall(await eventful()));
  });

  it("in every run, and whatever can happen does", async () => {
    expect(JSON.stringify(await simulateSmall(await eventful()))).toBe(expected);
    const { total, groups } = JSON.parse(expected) as FleetResult;
    const counts = [...Object.values(total.dropped), ...Object.values(total.fallback), total.exited, total.cloud];
    // Nothing here has a quota.
    expect(counts.filter((count) => count === 0).length).toBe(1);
    expect(total.fallback.refused).toBe(0);
    expect(groups[0]!.energy!.empty).toBeGreaterThan(0);
  });

  it.each([1, 2, 3])("on %i threads", async (threads) => {
    expect(JSON.stringify(await onThreads(await eventful(), threads))).toBe(expected);
  });

  it("in whatever order samples are computed", async () => {
    const fleet = await eventful();
    let state = 1;
    const compute = computeInProcess(fleet, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state % 5;
    });
    const result = await simulate(fleet, compute);
    await compute.close();
    expect(JSON.stringify(result)).toBe(expected);
  });

  it("on both engines, and when what devices share is run once, save for saying so", async () => {
    const wasm3 = await simulateSmall(await eventful("wasm3"));
    const once = await simulateSmall(await eventful("v8", "once"));
    const base = JSON.parse(expected) as FleetResult;
    const groups = (engine: "v8" | "wasm3") => base.groups.map((group) => ({ ...group, engine }));
    expect(JSON.parse(JSON.stringify(wasm3))).toEqual({ ...base, spec: wasm3.spec, groups: groups("wasm3") });
    expect(JSON.parse(JSON.stringify(once))).toEqual({ ...base, spec: once.spec, inference: "once" });
  });

  it("but not with another seed", async () => {
    const fleet = await eventful();
    const other = await simulateSmall({ ...fleet, spec: { ...fleet.spec, seed: 2 } });
    expect(JSON.stringify(other.total)).not.toBe(JSON.stringify(JSON.parse(expected).total));
  });

  it("and another group changes nothing in what the first one's samples are", async () => {
    // Where they do not meet at the workers.
    const quiet: GroupText = { ...EVENTFUL, threshold: 1e6 };
    const fleet = { duration: "10m" as const };
    const alone = await simulateSmall(await smallFleet(folder, [quiet], fleet));
    const beside = await simulateSmall(await smallFleet(folder, [quiet, { count: 3, bundle: "other" }], fleet));
    expect(beside.groups[0]).toEqual(alone.groups[0]);
  });
});

describe("every sample ends in one way", () => {
  const time = (...choices: string[]) => fc.constantFrom(...choices);
  const some = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
  const outages = fc.oneof(
    fc.record({ every: time("20s", "2m"), last: time("1s", "40s") }),
    fc.constant<{ at: string; last: string }[]>([
      { at: "10s", last: "5s" },
      { at: "1m", last: "90s" },
    ]),
  );
  const group = fc.record({
    count: fc.integer({ min: 1, max: 5 }),
    bundle: fc.constantFrom("tiny", "other"),
    threshold: some(fc.constantFrom(0, 0.3, 1e6)),
    inferenceTime: fc.constantFrom("1ms", "2s", { exit: "1s", full: "4s" }),
    arrivals: fc.oneof(
      fc.record({ kind: fc.constant("periodic" as const), every: time("1s", "7s"), jitter: time("0s", "0.5s") }),
      fc.record({ kind: fc.constant("poisson" as const), every: time("0.5s", "5s") }),
      fc.record({ kind: fc.constant("bursts" as const), every: time("0.2s"), on: time("5s"), off: time("20s") }),
    ),
    queue: fc.integer({ min: 0, max: 3 }),
    link: fc.record({
      latency: time("0s", "3s"),
      jitter: time("0s", "1s"),
      bandwidth: some(time("2kbit/s", "1Mbit/s")),
      loss: fc.constantFrom(0, 0.5, 1),
      outages: some(outages),
    }),
    energy: fc.constant({ active: "80mW", sleep: "5mW", radioByte: "1uJ", radioWake: "5mJ" }),
    battery: some(fc.record({ capacity: time("0.05J", "0.5J"), harvest: some(time("1mW", "20mW")) })),
    clock: fc.record({ offset: time("0s", "20s"), drift: fc.constantFrom("0ppm", "5000ppm") }),
    reboots: some(fc.record({ every: time("20s"), take: time("0s", "10s") })),
    deadline: time("1s", "10s"),
    maxInFlight: fc.integer({ min: 1, max: 3 }),
    backoff: fc.record({ first: time("10ms", "1s"), longest: time("1s", "8s") }),
  });
  const cloud = fc.record({
    workers: fc.integer({ min: 1, max: 3 }),
    maxBatch: fc.integer({ min: 1, max: 4 }),
    maxDelay: time("0s", "200ms"),
    batch: time("1ms", "800ms"),
    sample: time("0s", "300ms"),
    queue: fc.integer({ min: 1, max: 5 }),
    outages: some(outages),
    brokerOutages: some(outages),
  });

  it("whatever the fleet", async () => {
    const groups = fc.array(group, { minLength: 1, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(groups, cloud, fc.integer({ min: 0, max: 1e6 }), async (some, tier, seed) => {
        const fleet = await smallFleet(folder, some as GroupText[], {
          cloud: tier,
          seed,
          duration: "2m",
          inference: "once",
        });
        const result = await simulateSmall(fleet);
        fleetResultSchema.parse(JSON.parse(JSON.stringify(result)));
        for (const { tally, intervals, classes, latency } of result.groups) {
          const { answered, dropped } = totals(tally);
          expect(answered + dropped).toBe(tally.arrivals);
          expect(sumOf(intervals)).toEqual(tally);
          expect(classes.reduce((sum, { samples }) => sum + samples, 0)).toBe(answered);
          expect([latency.edge?.count ?? 0, latency.cloud?.count ?? 0]).toEqual([tally.exited, tally.cloud]);
          expect(tally.frames).toBeGreaterThanOrEqual(tally.cloud + tally.fallback.expired);
        }
        expect(sumOf(result.intervals.map(({ tally }) => tally))).toEqual(result.total);
      }),
      { numRuns: 60 },
    );
  });
});
