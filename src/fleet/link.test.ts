import { describe, expect, it } from "vitest";
import { clockOf } from "./clock.ts";
import { Link } from "./link.ts";
import { Outages } from "./outages.ts";
import { DeviceStreams } from "./random.ts";
import type { OutagesSpec } from "./spec-parts.ts";

const streams = () => new DeviceStreams(5, [{ name: "a", count: 1 }]);
const PLAIN = { latency: 40, jitter: 0, bandwidth: undefined, loss: 0 };
const link = (spec: object = {}, outages: OutagesSpec[] = []) =>
  new Link(
    { ...PLAIN, ...spec },
    streams(),
    0,
    outages.map((each) => new Outages(each, (mean) => mean)),
  );

describe("a link", () => {
  it("takes the latency, and with jitter up to that more", () => {
    expect(link().send("up", 100, 5000)).toBe(140);
    const jittery = link({ jitter: 10 });
    const times = Array.from({ length: 500 }, () => jittery.send("down", 0, 10)!);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(40);
    expect(Math.max(...times)).toBeLessThan(50);
    expect(times.reduce((sum, time) => sum + time, 0) / 500).toBeCloseTo(45, 0);
  });

  it("sends so many bits a second, one frame after another, each way by itself", () => {
    const slow = link({ bandwidth: { up: 8_000, down: 80_000 } });
    expect(slow.send("up", 0, 500)).toBe(540);
    expect(slow.send("up", 0, 500)).toBe(1_040);
    expect(slow.send("down", 0, 500)).toBe(90);
    expect(slow.send("up", 5_000, 250)).toBe(5_290);
  });

  it("loses its share of frames", () => {
    const lossy = link({ loss: 0.2 });
    const lost = Array.from({ length: 10_000 }, () => lossy.send("up", 0, 1)).filter((time) => time === undefined);
    // Four standard deviations.
    expect(Math.abs(lost.length - 2_000)).toBeLessThan(4 * Math.sqrt(10_000 * 0.2 * 0.8));
  });

  it("has listed outages: no connection, what is on its way is lost, and the client comes back within half a second", () => {
    const broken = link({}, [[{ at: 1_000, last: 500 }]]);
    expect(broken.connected(999)).toBe(true);
    expect(broken.send("up", 950, 1)).toBe(990);
    expect(broken.send("up", 970, 1)).toBe(undefined);
    expect([broken.connected(1_000), broken.connected(1_499)]).toEqual([false, false]);
    const back = broken.comesBack(1_200);
    expect(back).toBeGreaterThanOrEqual(1_500);
    expect(back).toBeLessThan(2_000);
    expect(broken.connected(back)).toBe(true);
    expect(broken.comesBack(back)).toBe(Number.POSITIVE_INFINITY);
  });

  it("has random outages, and the broker's beside its own", () => {
    // Drawn as their means here: from 1,000 to 1,100, from 2,100 to 2,200, ...
    const broken = link({}, [{ every: 1_000, last: 100 }, [{ at: 500, last: 700 }]]);
    expect(broken.connected(499)).toBe(true);
    expect(broken.connected(600)).toBe(false);
    expect(broken.connected(1_050)).toBe(false);
    expect(broken.connected(2_000)).toBe(true);
    expect(broken.comesBack(2_000)).toBeGreaterThanOrEqual(2_200);
    expect(broken.connected(2_150)).toBe(false);
  });
});

describe("a clock", () => {
  it("is right where nothing else is said", () => {
    expect(clockOf({ offset: 0, drift: 0 }, streams(), 0)(12_345)).toBe(12_345);
  });

  it("is wrong by an offset, and runs away until it is set", () => {
    const clock = clockOf({ offset: 50, drift: 100e-6, sync: 3_600_000 }, streams(), 0);
    const wrong = (at: number) => clock(at) - at;
    expect(Math.abs(wrong(0))).toBeLessThanOrEqual(50);
    expect(Math.abs(wrong(3_599_999) - wrong(0))).toBeLessThanOrEqual(360);
    expect(Math.abs(wrong(3_599_999) - wrong(0))).toBeGreaterThan(0);
    expect(wrong(3_600_000)).toBeCloseTo(wrong(0), 6);
    expect(wrong(1_800_000) - wrong(0)).toBeCloseTo((wrong(900_000) - wrong(0)) * 2, 6);
  });
});
