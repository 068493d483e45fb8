import { describe, expect, it } from "vitest";
import { cutQuantiser } from "./snap-cut.ts";

/** Most values near 1 (or around 0), and a rare one of 7. */
const near = (value: number): Float32Array => Float32Array.from({ length: 500 }, (_, i) => value + 0.1 * Math.sin(i));
const rare = Float32Array.of(7);

describe("cutQuantiser", () => {
  it("takes the levels with the least squared error, not those that reach what is rare", () => {
    const { op, attributes } = cutQuantiser([near(1), rare], 1, 0);
    expect([op, attributes]).toMatchObject(["quant", { bits: 1, signed: 0, scale: 1 }]);
    expect(cutQuantiser([near(0.5), near(1.5)], 2, 0).attributes).toMatchObject({ scale: 0.5 });
  });

  it("gives negative values levels on both sides, of one bit their sign", () => {
    expect(cutQuantiser([near(-1), near(1), rare], 1, 0)).toEqual({ op: "bipolarQuant", attributes: { scale: 1 } });
    expect(cutQuantiser([near(-1), near(1)], 4, 0).attributes).toMatchObject({ bits: 4, signed: 1, scale: 0.25 });
  });

  it("is no finer than the integers that there are", () => {
    expect(cutQuantiser([near(0.5), near(1.5)], 4, 0.25).attributes).toMatchObject({ scale: 0.25 });
    expect(cutQuantiser([near(1)], 1, 64).attributes).toMatchObject({ scale: 64 });
    expect(cutQuantiser([new Float32Array(3)], 2, 0).attributes).toMatchObject({ scale: 1 });
  });
});
