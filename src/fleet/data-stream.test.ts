import { describe, expect, it } from "vitest";
import { DataStream } from "./data-stream.ts";
import type { LoadedGroup, SampleSet } from "./load.ts";
import { DeviceStreams } from "./random.ts";
import type { DataSpec } from "./spec-group.ts";

const CLASSES = 10;
const COUNT = 400;
const HOUR = 3_600_000;

/** Sample i is of class i mod 10. */
function setAt(start: number): SampleSet {
  const places = Array.from({ length: 500 }, (_, i) => start + i);
  const byClass = Array.from({ length: CLASSES }, (_, label) =>
    Int32Array.from(places.filter((i) => i % CLASSES === label)),
  );
  return { byClass, start, count: places.length };
}

function streamOf(data: DataSpec, driftSamples?: SampleSet) {
  const spec = { name: "a", count: COUNT, data };
  const group = { spec, firstDevice: 0, samples: setAt(0), driftSamples } as unknown as LoadedGroup;
  return new DataStream(group, new DeviceStreams(9, [spec]));
}

/** Shares of the classes in so many samples of a device. */
function shares(stream: DataStream, device: number, now: number, draws = 400): number[] {
  const counts = new Array<number>(CLASSES).fill(0);
  for (let i = 0; i < draws; i++) counts[stream.draw(device, now) % CLASSES]!++;
  return counts.map((count) => count / draws);
}

const present = (mix: readonly number[]) => mix.flatMap((share, label) => (share > 0 ? [label] : []));

describe("a device's samples", () => {
  it("iid: of all classes alike", () => {
    const mix = shares(streamOf({ shard: "iid" }), 3, 0, 10_000);
    for (const share of mix) expect(Math.abs(share - 0.1)).toBeLessThan(4 * Math.sqrt((0.1 * 0.9) / 10_000));
  });

  it("by class: each device sees so many, together they see all", () => {
    const stream = streamOf({ shard: "by-class", classes: 3 });
    const seen = Array.from({ length: COUNT }, (_, device) => present(shares(stream, device, 0)));
    for (const classes of seen) expect(classes.length).toBe(3);
    const counts = Array.from(
      { length: CLASSES },
      (_, label) => seen.filter((classes) => classes.includes(label)).length,
    );
    for (const count of counts) expect(Math.abs(count - 0.3 * COUNT)).toBeLessThan(4 * Math.sqrt(COUNT * 0.3 * 0.7));
  });

  it("skew: a Dirichlet mix, whose variance is what alpha makes of it", () => {
    const alpha = 0.5;
    const stream = streamOf({ shard: "skew", alpha });
    const mixes = Array.from({ length: COUNT }, (_, device) => shares(stream, device, 0));
    const all = mixes.flat();
    expect(all.reduce((sum, share) => sum + share, 0) / all.length).toBeCloseTo(0.1, 9);
    const variance = all.reduce((sum, share) => sum + (share - 0.1) ** 2, 0) / all.length;
    const expected = (0.1 * 0.9) / (CLASSES * alpha + 1);
    expect(Math.abs(variance / expected - 1)).toBeLessThan(0.2);
  });

  it("drift from one mix to another of the same law, as time goes", () => {
    const stream = streamOf({ shard: "by-class", classes: 1, drift: { from: HOUR, until: 3 * HOUR } });
    const moved = Array.from({ length: COUNT }, (_, device) => device).filter((device) => {
      const [before, after] = [present(shares(stream, device, 0)), present(shares(stream, device, 4 * HOUR))];
      expect([before.length, after.length]).toEqual([1, 1]);
      if (before[0] === after[0]) return false;
      const half = shares(stream, device, 2 * HOUR);
      expect(Math.abs(half[after[0]!]! - 0.5)).toBeLessThan(0.15);
      return true;
    });
    expect(Math.abs(moved.length / COUNT - 0.9)).toBeLessThan(0.06);
  });

  it("drift to other samples, at once where no end is given", () => {
    const stream = streamOf({ shard: "iid", drift: { from: HOUR, set: "later" } }, setAt(500));
    for (let i = 0; i < 100; i++) {
      expect(stream.draw(0, HOUR - 1)).toBeLessThan(500);
      expect(stream.draw(0, HOUR)).toBeGreaterThanOrEqual(500);
    }
  });
});
