import { expect, it } from "vitest";
import { ENDS, figuresOf, type LoadLog, percentile } from "./load-log.ts";

const log: LoadLog = {
  at: Float64Array.of(0, 500, 1_000, 1_500, 2_000),
  ms: Float64Array.of(10, 30, 20, 5, 40),
  ends: Uint8Array.from(["right", "right", "wrong", "unanswered", "right"] as const, (end) => ENDS.indexOf(end)),
  offered: 5,
  frames: 6,
  repeats: 0,
  conflicts: 0,
  told: 0,
  lag: 0,
};

it("counts the samples of spans by how they ended, and times the right ones", () => {
  expect(figuresOf(log, { from: 0, to: 2_000 })).toEqual({
    samples: 4,
    right: 2,
    wrong: 1,
    unanswered: 1,
    throughput: 1,
    p50: 10,
    p99: 30,
  });
  const apart = figuresOf(log, { from: 0, to: 500 }, { from: 2_000, to: 2_500 });
  expect(apart).toMatchObject({ samples: 2, right: 2, throughput: 2, p50: 10, p99: 40 });
});

it("takes the smallest value that so many percent do not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, k) => 100 - k);
  expect([0, 1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 1, 50, 99, 100]);
  expect(percentile([7], 99)).toBe(7);
  expect(percentile([], 99)).toBeNaN();
});
