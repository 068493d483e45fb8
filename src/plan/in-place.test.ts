import { describe, expect, it } from "vitest";
import { poolsInPlace } from "./in-place.ts";

describe("poolsInPlace", () => {
  it("holds for halving a map while doubling its channels", () => {
    expect(poolsInPlace([16, 32, 32], [32, 16, 16], [2, 2])).toBe(true);
    expect(poolsInPlace([5, 8, 8], [5, 4, 4], [2, 2])).toBe(true);
  });

  it("fails where the output outgrows what has been read", () => {
    expect(poolsInPlace([16, 4, 4], [65, 2, 2], [2, 2])).toBe(false);
    expect(poolsInPlace([4, 4, 4], [17, 2, 2], [2, 2])).toBe(false);
  });
});
