/** What a simulated fleet comes to, against what can be said beforehand: formulas, and faults with one possible outcome. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HedgeError } from "../../src/errors.ts";
import type { FleetResult } from "../../src/fleet/result.ts";
import { type FleetProgress, simulate } from "../../src/fleet/simulate.ts";
import { computeInProcess, type GroupText, simulateSmall, smallFleet, smallFolder } from "../support/small-fleet.ts";

let folder: string;
let remove: () => void;
beforeAll(async () => {
  ({ folder, remove } = await smallFolder());
});
afterAll(() => remove());

type FleetText = Parameters<typeof smallFleet>[2];

async function run(group: GroupText, fleet: FleetText = {}): Promise<FleetResult> {
  return simulateSmall(await smallFleet(folder, [group], { inference: "once", ...fleet }));
}

/** Nothing is sure enough for its exit, or everything is. */
const ALL = { threshold: 0 };
const NONE = { threshold: 1e6 };
const poisson = (every: string) => ({ kind: "poisson" as const, every });

describe("a device", () => {
  it("answers after the module's time what is final at the exit, which is less than the whole", async () => {
    const { latency, total } = await run({ ...NONE, arrivals: { kind: "periodic", every: "1s" } });
    expect(total).toMatchObject({ arrivals: 3600, exited: 3600, frames: 0, bytesUp: 0 });
    expect(latency.edge!.mean).toBeCloseTo(80, 6);
    expect(latency.edge!.max).toBeCloseTo(80, 6);
  });

  it("without a queue drops the share that Erlang's formula says", async () => {
    const { total } = await run({ ...NONE, count: 20, queue: 0, inferenceTime: "100ms", arrivals: poisson("200ms") });
    // A load of 0.5: 0.5 / 1.5 find it busy.
    expect(total.dropped.busy / total.arrivals).toBeCloseTo(1 / 3, 2);
  });

  it("with a queue lets samples wait as long as an M/D/1 queue does", async () => {
    const { latency, total } = await run({
      ...NONE,
      count: 20,
      queue: 1000,
      inferenceTime: "100ms",
      arrivals: poisson("200ms"),
    });
    expect(total.dropped.busy).toBe(0);
    expect(latency.edge!.mean / (100 + (0.5 * 100) / (2 * 0.5))).toBeCloseTo(1, 1);
  });

  it("starts again as often as it is told, and takes nothing meanwhile", async () => {
    const fleet = await smallFleet(
      folder,
      [{ ...NONE, count: 50, arrivals: poisson("10s"), reboots: { every: "10m", take: "1m" }, inferenceTime: "1ms" }],
      { duration: "10h", inference: "once" },
    );
    const compute = computeInProcess(fleet);
    const { groups, total } = await simulate(fleet, compute);
    await compute.close();
    // The next one is drawn at the last one's start; one that comes while it starts is none.
    const expected = (50 * 600) / (10 + 1);
    expect(groups[0]!.reboots / expected).toBeCloseTo(1, 1);
    expect(total.dropped.reboot / total.arrivals).toBeCloseTo(1 / 11, 2);
    expect(compute.resets.length).toBe(groups[0]!.reboots);
  });

  it("lasts as many days on its battery as arithmetic says", async () => {
    const energy = { active: "80mW", sleep: "0.1mW" };
    const { groups } = await run(
      { ...NONE, arrivals: { kind: "periodic", every: "10s", phase: "1s" }, energy, battery: { capacity: "1Wh" } },
      { duration: "1h" },
    );
    const { inference, sleep, radio, batteryDays, total, empty } = groups[0]!.energy!;
    expect(inference).toBeCloseTo(360 * 0.08 * 0.08, 9);
    expect(sleep).toBeCloseTo((3600 - 360 * 0.08) * 1e-4, 9);
    expect([radio, empty]).toEqual([0, 0]);
    expect(total!.mean).toBeCloseTo(inference + sleep, 9);
    expect(batteryDays!.p50).toBeCloseTo(3600 / ((inference + sleep) / 3600) / 86_400, 6);
  });

  it("whose battery is empty takes nothing more", async () => {
    const energy = { active: "80mW", sleep: "1mW" };
    const { groups, total, intervals } = await run(
      {
        ...NONE,
        arrivals: { kind: "periodic", every: "1s" },
        energy,
        battery: { capacity: "1.8J" },
        inferenceTime: "0.01ms",
      },
      { duration: "1h" },
    );
    // Half an hour at 1 mW.
    expect(Math.abs(total.exited - 1800)).toBeLessThan(3);
    expect(total.dropped.battery).toBe(3600 - total.exited);
    expect(groups[0]!.energy!.empty).toBe(1);
    expect(intervals.map(({ up }) => up).join("")).toMatch(/^110000$|^111000$/);
  });

  it.each([
    ["an answer comes", { latency: "200ms" }],
    ["it would offer again", { workers: 1, outages: [{ at: "0s", last: "1m" }] }],
  ])("whose battery went empty does nothing when %s", async (_, cloud) => {
    const { total } = await run(
      {
        ...ALL,
        arrivals: { kind: "periodic", every: "20s", phase: "10s" },
        // Empty 200 ms behind the one offer.
        energy: { active: "1W", sleep: "1W" },
        battery: { capacity: "10.3J" },
      },
      { duration: "11s", cloud },
    );
    expect(total).toMatchObject({ arrivals: 1, frames: 1, cloud: 0, fallback: { lost: 1 } });
  });
});

describe("the way to the cloud and back", () => {
  it("takes latency, bandwidth and service, to the byte", async () => {
    const link = { latency: "40ms", bandwidth: { up: "8kbit/s", down: "80kbit/s" } };
    const cloud = { latency: "3ms", batch: "5ms", sample: "0.5ms" };
    const group = { ...ALL, link, arrivals: { kind: "periodic" as const, every: "1m" } };
    const { latency, total } = await run(group, { cloud });
    expect(total).toMatchObject({ arrivals: 60, cloud: 60, frames: 60 });
    const [up, down] = [total.bytesUp / 60 - 4, total.bytesDown / 60 - 4];
    const expected = 100 + up * 1 + 40 + 3 + 5.5 + 3 + down * 0.1 + 40;
    expect(latency.cloud!.mean).toBeCloseTo(expected, 6);
  });

  it("with loss takes as many offers as both ways ask for", async () => {
    const link = { loss: "20%" };
    const { total } = await run({
      ...ALL,
      count: 20,
      link,
      arrivals: poisson("10s"),
      deadline: "10m",
      maxInFlight: 64,
    });
    expect(total.cloud).toBe(total.arrivals);
    const attempts = 1 / 0.8 ** 2;
    expect(total.frames / total.cloud / attempts).toBeCloseTo(1, 1.3);
  });

  it("without a worker is given up at the deadline, after offers at growing intervals; and the exit's answers count", async () => {
    const cloud = { outages: [{ at: "0s", last: "2h" }] };
    const backoff = { first: "1s", longest: "4s" };
    const { total, latency } = await run(
      { ...ALL, arrivals: { kind: "periodic", every: "1m" }, deadline: "7.9s", backoff },
      { cloud },
    );
    expect(total.fallback.deadline).toBe(total.arrivals);
    expect(latency.cloud).toBe(undefined);
    // At 0, about 1, 3 and 7 s; each pause is up to a quarter longer or shorter.
    expect(total.frames / total.arrivals).toBeGreaterThan(3);
    expect(total.frames / total.arrivals).toBeLessThan(4.5);
    expect(total.right.fallback).toBeGreaterThan(0);
  });

  it("with a clock that is slow by more than the deadline ends as expired", async () => {
    const clock = { offset: "60s" };
    const { total } = await run({ ...ALL, count: 300, clock, arrivals: poisson("1m"), deadline: "6s" });
    // Offsets are even between -60 s and 60 s; all below -6 s, for the frame takes no time to speak of.
    const share = total.fallback.expired / total.arrivals;
    expect(Math.abs(share - 54 / 120)).toBeLessThan(4 * Math.sqrt((0.45 * 0.55) / 300));
    expect(total.cloud + total.fallback.expired).toBe(total.arrivals);
  });

  it("waits out an outage of the broker, if that is shorter than the deadline", async () => {
    const cloud = { brokerOutages: [{ at: "10m", last: "20s" }] };
    const patient = await run({ ...ALL, count: 50, arrivals: poisson("20s"), deadline: "1m" }, { cloud });
    expect(patient.total.cloud).toBe(patient.total.arrivals);
    expect(patient.latency.cloud!.max).toBeGreaterThan(10_000);
    const hasty = await run({ ...ALL, count: 50, arrivals: poisson("20s"), deadline: "5s" }, { cloud });
    expect(hasty.total.fallback.deadline / hasty.total.arrivals).toBeCloseTo(15 / 3600, 2);
    expect(hasty.total.fallback.deadline).toBeGreaterThan(0);
  });

  it("survives a worker that ends again and again: another takes what is offered again", async () => {
    const cloud = { workers: 3, outages: { every: "20s", last: "5s" }, batch: "50ms" };
    const { total } = await run({ ...ALL, count: 30, arrivals: poisson("5s"), deadline: "1m" }, { cloud });
    expect(total.cloud).toBe(total.arrivals);
    expect(total.frames).toBeGreaterThan(total.cloud);
  });

  it("loses what a device held when it started again", async () => {
    const cloud = { outages: [{ at: "0s", last: "2h" }] };
    const { total } = await run(
      { ...ALL, count: 20, arrivals: poisson("1m"), reboots: { every: "30s", take: "0s" }, deadline: "10m" },
      { cloud },
    );
    expect(total.fallback.lost).toBeGreaterThan(0.9 * total.arrivals);
    expect(total.right.fallback).toBeLessThanOrEqual(total.fallback.deadline);
  });

  it("holds the module while as many samples wait as may", async () => {
    const cloud = { outages: [{ at: "0s", last: "2h" }] };
    const group = {
      ...ALL,
      queue: 1,
      maxInFlight: 1,
      deadline: "10s",
      arrivals: { kind: "periodic" as const, every: "1s" },
    };
    const { total } = await run(group, { cloud });
    // Two in ten seconds get their turn: one is offered, one holds the module, and the deadlines of both run.
    expect(total.fallback.deadline / 720).toBeCloseTo(1, 1);
    expect(total.dropped.busy).toBe(total.arrivals - total.fallback.deadline);
  });
});

describe("workers", () => {
  it("one at a time: samples wait as long as in an M/D/1 queue", async () => {
    const cloud = { maxBatch: 1, batch: "8ms", sample: "0ms", queue: 100_000 };
    const { cloud: tier, total } = await run(
      { ...ALL, count: 300, arrivals: poisson("3s") },
      { cloud, duration: "10m" },
    );
    expect(total.cloud).toBe(total.arrivals);
    expect(tier.busy).toBeCloseTo(0.8, 1);
    const load = (tier.samples * 8) / 600_000;
    expect(tier.wait!.mean / ((load * 8) / (2 * (1 - load)))).toBeCloseTo(1, 0);
  });

  it("under load take full batches, and hold no more than they may", async () => {
    const cloud = { maxBatch: 8, batch: "80ms", sample: "0ms", queue: 40 };
    const overload = { ...ALL, count: 300, arrivals: poisson("1s"), deadline: "3s" };
    const { cloud: tier, total, intervals } = await run(overload, { cloud, duration: "2m" });
    expect(tier.samples / tier.batches).toBeGreaterThan(7.8);
    expect(tier.busy).toBeGreaterThan(0.98);
    for (const { queue } of intervals) expect(queue.max).toBeLessThanOrEqual(40);
    expect(intervals[2]!.queue.mean).toBeGreaterThan(30);
    expect(total.fallback.deadline + total.fallback.expired).toBeGreaterThan(0);
    expect(total.cloud / 120).toBeCloseTo(100, -1);
  });

  it("wait for more only as long as they are told", async () => {
    const quiet = { ...ALL, arrivals: poisson("30s") };
    const { cloud: tier } = await run(quiet, { cloud: { maxDelay: "50ms" } });
    expect(tier.wait!.p50).toBeCloseTo(50, 6);
    expect((await run(quiet)).cloud.wait!.max).toBe(0);
  });
});

describe("a run", () => {
  it("tells how far it is, and ends early when it is asked to", async () => {
    const fleet = await smallFleet(folder, [{ count: 20, arrivals: poisson("1s") }]);
    const seen: FleetProgress[] = [];
    const stop = new AbortController();
    const result = await simulateSmall(fleet, {
      signal: stop.signal,
      report: (progress) => {
        seen.push(progress);
        if (progress.samples > 1_000) stop.abort();
      },
    });
    const { clock, duration, samples, inferences } = seen.at(-1)!;
    expect([duration, result.stopped]).toEqual([3600, clock]);
    expect(clock).toBeLessThan(600);
    expect(inferences).toBeGreaterThanOrEqual(samples);
    expect(result.total.arrivals).toBeGreaterThan(1_000);
  });

  it("fails as the module does", async () => {
    const fleet = await smallFleet(folder, [{ count: 3 }]);
    const compute = computeInProcess(fleet);
    const broken = { ...compute, run: () => Promise.reject(new HedgeError("input", "It traps.", "Mend it.")) };
    await expect(simulate(fleet, broken as typeof compute)).rejects.toThrow("It traps.");
    await compute.close();
  });

  it("finds out when devices do not compute the same", async () => {
    const fleet = await smallFleet(folder, [{ ...ALL, count: 3, arrivals: poisson("1s") }]);
    const compute = computeInProcess(fleet);
    const run = compute.run.bind(compute);
    let runs = 0;
    const odd = {
      ...compute,
      run: async (job: Parameters<typeof run>[0]) => {
        const result = await run(job);
        return ++runs === 500 ? { ...result, payload: result.payload!.map((byte) => byte ^ 1) } : result;
      },
    };
    await expect(simulate(fleet, odd as typeof compute)).rejects.toThrow("computes something else of sample");
    await compute.close();
  });
});
