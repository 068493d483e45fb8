import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ENTROPY_ERROR, integerEntropy } from "./entropy.ts";

function entropyInNats(logits: readonly number[]): number {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.reduce((total, p) => total - (p === 0 ? 0 : (p / sum) * Math.log(p / sum)), 0);
}

describe("integerEntropy", () => {
  it("stays within the stated error of the true entropy", () => {
    const cases = fc.record({
      exponent: fc.integer({ min: -20, max: 2 }),
      nats: fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 2, maxLength: 40 }),
    });
    fc.assert(
      fc.property(cases, ({ exponent, nats }) => {
        const logits = nats.map((x) => Math.round(x * 2 ** -exponent));
        const truth = entropyInNats(logits.map((n) => n * 2 ** exponent));
        expect(Math.abs(integerEntropy(logits, exponent) / 65536 - truth)).toBeLessThan(ENTROPY_ERROR);
      }),
      { numRuns: 2000 },
    );
  });

  it("knows the ends: certainty, and a thousand equal classes", () => {
    expect(integerEntropy([1000, 0, 0], 0)).toBe(0);
    expect(integerEntropy(new Int32Array(1000), -11) / 65536).toBeCloseTo(Math.log(1000), 3);
    expect(integerEntropy([5, 5], -3) / 65536).toBeCloseTo(Math.LN2, 4);
  });
});
