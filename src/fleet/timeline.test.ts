import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timeline } from "./timeline.ts";

function run(timeline: Timeline): void {
  while (timeline.step() !== false);
}

/** In which order events of these times happen. */
function order(times: readonly number[]): number[] {
  const timeline = new Timeline();
  const happened: number[] = [];
  const note = (place: number) => {
    if (timeline.now !== times[place]) throw new Error("It happened at another time.");
    happened.push(place);
  };
  for (const [place, time] of times.entries()) timeline.at(time, note, place);
  run(timeline);
  return happened;
}

describe("virtual time", () => {
  it("lets events happen in order of time, and of insertion where times are equal", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (times) => {
        expect(order(times)).toEqual([...times.keys()].sort((a, b) => times[a]! - times[b]! || a - b));
      }),
    );
  });

  it("holds as many as there are", () => {
    const times = Array.from({ length: 5_000 }, (_, i) => (i * 7_919) % 10_007);
    expect(order(times)).toEqual([...times.keys()].sort((a, b) => times[a]! - times[b]!));
  });

  it("takes events that events bring about, and keeps none that never comes", () => {
    const timeline = new Timeline();
    const seen: number[] = [];
    const again = (left: number) => {
      seen.push(timeline.now);
      if (left > 0) timeline.at(timeline.now + left, again, left - 1);
    };
    timeline.at(1, again, 3);
    timeline.at(4, again, 0);
    timeline.at(Number.POSITIVE_INFINITY, again, 0);
    expect(timeline.size).toBe(2);
    run(timeline);
    expect(seen).toEqual([1, 4, 4, 6, 7]);
    expect(() => timeline.at(6, again, 0)).toThrow("An event at 6 ms was scheduled at 7 ms");
    expect(() => timeline.at(Number.NaN, again, 0)).toThrow("scheduled");
  });

  it("hands out what an event has to wait for", async () => {
    const timeline = new Timeline();
    timeline.at(1, async () => undefined, undefined);
    timeline.at(2, () => undefined, undefined);
    expect(timeline.step()).toBeInstanceOf(Promise);
    expect(timeline.step()).toBe(true);
    expect(timeline.step()).toBe(false);
  });
});
