import { describe, expect, it } from "vitest";
import { aligned, bitsOf, integerOf, isExact, multipleOf, rangeOn, unionOf, widened } from "./grid.ts";

const bytes = { min: -128, max: 127 };

describe("grids", () => {
  it("are exact in float32 on powers of two below 2^24", () => {
    expect(isExact({ step: 2 ** -30, ...bytes })).toBe(true);
    expect(isExact({ step: 0.3, ...bytes })).toBe(false);
    expect(isExact({ step: 1, min: 0, max: 2 ** 24 })).toBe(false);
    expect(isExact({ step: 1, min: -(2 ** 24) + 1, max: 0 })).toBe(true);
  });

  it("know multiples of steps, up to the rounding of doubles", () => {
    const step = Math.fround(0.1) * Math.fround(0.3);
    expect(multipleOf(step * 7, step)).toBe(7);
    expect(multipleOf(Math.fround(0.3), Math.fround(0.1))).toBeUndefined();
    expect(multipleOf(1, 2)).toBeUndefined();
  });

  it("align on the finest step, or not at all", () => {
    const [a, b] = aligned([
      { step: 0.6, ...bytes },
      { step: 0.2, min: 0, max: 9 },
    ])!;
    expect([a, b]).toEqual([
      { step: 0.2, min: -384, max: 381 },
      { step: 0.2, min: 0, max: 9 },
    ]);
    expect(
      aligned([
        { step: 0.3, ...bytes },
        { step: 0.2, ...bytes },
      ]),
    ).toBeUndefined();
    expect(
      unionOf([
        { step: 0.6, min: 1, max: 1 },
        { step: 0.2, min: 5, max: 9 },
      ]),
    ).toEqual({ step: 0.2, min: 3, max: 9 });
  });

  it("widen for a value of theirs, and for no other", () => {
    const grid = { step: 0.3, min: 1, max: 5 };
    expect(widened(grid, -0.3 * 7)).toEqual({ step: 0.3, min: -7, max: 5 });
    expect(widened(grid, 0)).toEqual({ step: 0.3, min: 0, max: 5 });
    expect(widened(grid, 1)).toBeUndefined();
  });

  it("recover integers from values", () => {
    expect(integerOf(7 * 0.3, { step: 0.3, ...bytes })).toBe(7);
    expect(rangeOn([0.3 * 3, -0.3], 0.3)).toEqual({ step: 0.3, min: -1, max: 3 });
    expect([
      bitsOf({ step: 1, ...bytes }),
      bitsOf({ step: 1, min: 0, max: 255 }),
      bitsOf({ step: 1, min: 0, max: 0 }),
    ]).toEqual([8, 8, 1]);
  });
});
