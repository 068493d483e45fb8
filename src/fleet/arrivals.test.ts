import { describe, expect, it } from "vitest";
import { arrivalsOf } from "./arrivals.ts";
import { DeviceStreams } from "./random.ts";
import type { ArrivalsSpec } from "./spec-group.ts";

const DEVICES = 200;

/** Times of all devices until `until`. */
function times(spec: ArrivalsSpec, until: number, devices = DEVICES): number[][] {
  const streams = new DeviceStreams(3, [{ name: "a", count: devices }]);
  return Array.from({ length: devices }, (_, device) => {
    const arrivals = arrivalsOf(spec, streams, device);
    const all: number[] = [];
    for (let at = arrivals.next(); at < until; at = arrivals.next()) all.push(at);
    return all;
  });
}

const HOUR = 3_600_000;

describe("arrivals", () => {
  it("periodic: each device at its own phase, or all at one", () => {
    const all = times({ kind: "periodic", every: 60_000, jitter: 0 }, HOUR);
    for (const device of all) {
      expect(device.length).toBe(60);
      for (const [i, at] of device.entries()) expect(at - i * 60_000).toBeCloseTo(device[0]!, 6);
    }
    expect(new Set(all.map(([first]) => first)).size).toBe(DEVICES);
    expect(times({ kind: "periodic", every: 60_000, jitter: 0, phase: 5 }, 120_000, 2)).toEqual([
      [5, 60_005],
      [5, 60_005],
    ]);
  });

  it("periodic with jitter: early or late by that much at most, in order", () => {
    const [all] = times({ kind: "periodic", every: 1_000, jitter: 500, phase: 500 }, HOUR, 1);
    expect(all!.length).toBe(3600);
    all!.forEach((at, i) => {
      expect(Math.abs(at - 500 - i * 1_000)).toBeLessThanOrEqual(500);
      if (i > 0) expect(at).toBeGreaterThanOrEqual(all![i - 1]!);
    });
  });

  it("Poisson: numbers per hour have that mean, and the variance is the mean", () => {
    const counts = times({ kind: "poisson", every: 10_000 }, HOUR).map(({ length }) => length);
    const mean = counts.reduce((sum, count) => sum + count, 0) / DEVICES;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / DEVICES;
    // Four standard deviations of either.
    expect(Math.abs(mean - 360)).toBeLessThan(4 * Math.sqrt(360 / DEVICES));
    expect(Math.abs(variance / 360 - 1)).toBeLessThan(4 * Math.sqrt(2 / DEVICES));
  });

  it("bursts: the share of time that is within bursts, at the pace of bursts", () => {
    const spec = { kind: "bursts", every: 500, on: 10_000, off: 90_000 } as const;
    const all = times(spec, HOUR);
    const mean = all.reduce((sum, { length }) => sum + length, 0) / DEVICES;
    expect(mean / ((HOUR / 500) * 0.1)).toBeCloseTo(1, 1);
    // From the first second on: no device waits for the process to settle.
    const early = all.reduce((sum, device) => sum + device.filter((at) => at < 60_000).length, 0) / DEVICES;
    expect(Math.abs(early / ((60_000 / 500) * 0.1) - 1)).toBeLessThan(0.5);
    // Within bursts they come in quick succession, else not at all.
    const gaps = all.flatMap((device) => device.slice(1).map((at, i) => at - device[i]!));
    expect(gaps.filter((gap) => gap < 3_000).length / gaps.length).toBeGreaterThan(0.9);
    expect(gaps.some((gap) => gap > 90_000)).toBe(true);
  });
});
