import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argMax, entropyOf } from "./entropy.ts";

describe("entropyOf", () => {
  it("is log(n) for equal logits and 0 for a sure one", () => {
    expect(entropyOf([3, 3, 3, 3])).toBeCloseTo(Math.log(4), 14);
    expect(entropyOf([1000, 0, 0])).toBe(0);
    expect(entropyOf([-1e6, -1e6 - 2000])).toBe(0);
  });
  it("is -sum p log p", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -15, max: 15, noNaN: true }), { minLength: 2, maxLength: 12 }),
        (logits) => {
          const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
          const expected = -logits.reduce(
            (total, logit) => total + (Math.exp(logit) / sum) * Math.log(Math.exp(logit) / sum),
            0,
          );
          expect(entropyOf(logits)).toBeCloseTo(expected, 10);
        },
      ),
    );
  });
});

describe("argMax", () => {
  it("takes the first of equals", () => {
    expect(argMax([1, 5, 5, 2])).toBe(1);
    expect(argMax(Float32Array.of(-3, -2, -1))).toBe(2);
  });
});
