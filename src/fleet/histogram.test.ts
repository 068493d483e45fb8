import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Histogram } from "./histogram.ts";

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

/** The smallest value that such a share of all does not exceed. */
function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(share * values.length)) - 1]!;
}

describe("a histogram", () => {
  it("has nothing to say of nothing", () => {
    expect([new Histogram().percentiles(), new Histogram().distribution()]).toEqual([undefined, undefined]);
  });

  it("is exact while values are few", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (values) => {
          const { count, mean, p50, p90, p99, max, quantiles } = histogramOf(values).distribution()!;
          expect([count, max]).toEqual([values.length, Math.max(...values)]);
          expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 3);
          expect([p50, p90, p99]).toEqual([0.5, 0.9, 0.99].map((share) => quantile(values, share)));
          expect(quantiles.length).toBe(101);
          expect([quantiles[0], quantiles[25], quantiles[100]]).toEqual(
            [0, 0.25, 1].map((share) => quantile(values, share)),
          );
        },
      ),
    );
  });

  it("has of a hundred values each as the quantile of its place", () => {
    const { quantiles } = histogramOf(Array.from({ length: 100 }, (_, i) => i + 1)).distribution()!;
    expect(quantiles).toEqual([1, ...Array.from({ length: 100 }, (_, i) => i + 1)]);
  });

  it("is off by 0.4 % at most when they are many, of whatever magnitude; and so are parts put together", () => {
    for (const scale of [1e-6, 1, 1e7]) {
      const values = Array.from({ length: 20_000 }, (_, i) => scale * (1 + ((i * 7_919) % 20_011)));
      const whole = histogramOf(values).distribution()!;
      whole.quantiles.forEach((value, i) => {
        expect(Math.abs(value / quantile(values, i / 100) - 1)).toBeLessThanOrEqual(0.004);
      });
      expect([whole.quantiles[0], whole.max]).toEqual([Math.min(...values), Math.max(...values)]);
      const parts = new Histogram();
      for (const end of [10_000, 10_100, 20_000])
        parts.merge(histogramOf(values.slice(end === 10_000 ? 0 : end === 10_100 ? 10_000 : 10_100, end)));
      const together = parts.distribution()!;
      expect(together.quantiles).toEqual(whole.quantiles);
      expect(together.mean / whole.mean).toBeCloseTo(1, 12);
    }
  });

  it("counts zeros as zeros", () => {
    const many = histogramOf([...new Array<number>(900).fill(0), ...new Array<number>(100).fill(5)]).percentiles()!;
    expect([many.p50, many.p90, many.p99, many.max]).toEqual([0, 0, 5, 5]);
  });
});
