import { describe, expect, it } from "vitest";
import { poolsInPlace } from "./in-place.ts";

describe("poolsInPlace", () => {
  it.each([1, 3, 4, 16])("holds for halving a map while doubling its channels, in blocks of %i pixels", (block) => {
    expect(poolsInPlace([16, 32, 32], [32, 16, 16], [2, 2], block)).toBe(true);
    expect(poolsInPlace([5, 8, 8], [5, 4, 4], [2, 2], block)).toBe(true);
  });

  it("fails where the output outgrows what has been read", () => {
    expect(poolsInPlace([16, 4, 4], [65, 2, 2], [2, 2], 1)).toBe(false);
    expect(poolsInPlace([4, 4, 4], [17, 2, 2], [2, 2], 1)).toBe(false);
  });

  it("depends on the block, in both directions", () => {
    expect([1, 2, 4].map((block) => poolsInPlace([1, 2, 4], [3, 1, 2], [2, 2], block))).toEqual([false, true, true]);
    expect([1, 2, 4].map((block) => poolsInPlace([3, 2, 8], [2, 1, 4], [2, 2], block))).toEqual([true, true, false]);
  });
});
