import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../build.ts";
import type { Grid } from "../grid.ts";
import { runGraph } from "../run.ts";
import { verifyGraph } from "../verify.ts";
import { INTEGER_ROUNDING } from "./requant.ts";

const FLOORING = { shift: 0, rounding: "FLOOR", low: -128, high: 127, zero: 0, scale: 1 };

interface Requant {
  readonly grid: Grid;
  readonly shape: readonly number[];
  readonly multiplier: readonly number[];
  readonly offset: readonly number[];
}

function requant(parts: Requant, attributes: Record<string, number | string>) {
  const builder = new GraphBuilder("requant");
  builder.input("x", parts.shape, parts.grid);
  builder.constant("m", [parts.multiplier.length], parts.multiplier);
  builder.constant("o", [parts.offset.length], parts.offset);
  builder.node("requant", ["x", "m", "o"], "y", { ...FLOORING, ...attributes });
  return verifyGraph(builder.build(["y"]));
}

function run(parts: Requant, attributes: Record<string, number | string>, x: readonly number[]): number[] {
  return [...runGraph(requant(parts, attributes), x).get("y")!];
}

describe("requant", () => {
  const grid = { step: 0.1, min: -1000, max: 1000 };

  it("multiplies, adds, shifts and clips per channel, on a grid of any step", () => {
    const parts = { grid, shape: [2, 1, 3], multiplier: [3, -5], offset: [0, 4] };
    // Channel 0: 3 n / 8 for n = 8, -1, 1000; channel 1: (4 - 5 n) / 8 for n = 0, 8, -8.
    const x = [8, -1, 1000, 0, 8, -8].map((n) => n * 0.1);
    expect(run(parts, { shift: 3 }, x)).toEqual([3, -1, 127, 0, -5, 5]);
  });

  it("gives (q - zero) * scale, and the grid of that", () => {
    const parts = { grid, shape: [2], multiplier: [1], offset: [0] };
    const attributes = { shift: 1, low: 0, high: 255, zero: 16, scale: 0.3 };
    expect(requant(parts, attributes).tensors.get("y")!.grid).toEqual({ step: 0.3, min: -16, max: 239 });
    expect(run(parts, attributes, [10, -1])).toEqual([(50 - 16) * 0.3, -16 * 0.3]);
  });

  it.each([
    ["ROUND", [-2, -2, -1, 0, 0, 0, 1, 2, 2]],
    ["HALF_EVEN", [-2, -2, -1, 0, 0, 0, 1, 2, 2]],
    ["FLOOR", [-2, -2, -1, -1, 0, 0, 1, 1, 2]],
    ["CEIL", [-2, -1, -1, 0, 0, 1, 1, 2, 2]],
    ["UP", [-2, -2, -1, -1, 0, 1, 1, 2, 2]],
    ["DOWN", [-2, -1, -1, 0, 0, 0, 1, 1, 2]],
    ["ROUND_TO_ZERO", [-2, -1, -1, 0, 0, 0, 1, 1, 2]],
    ["HALF_UP", [-2, -2, -1, -1, 0, 1, 1, 2, 2]],
    ["HALF_DOWN", [-2, -1, -1, 0, 0, 0, 1, 1, 2]],
  ])("rounds halves by %s", (rounding, expected) => {
    const parts = { grid: { step: 1, min: -4, max: 4 }, shape: [9], multiplier: [1], offset: [0] };
    expect(run(parts, { shift: 1, rounding }, [-4, -3, -2, -1, 0, 1, 2, 3, 4])).toEqual(expected);
  });

  it("rounds as 64-bit integers do, for products up to 2^53", () => {
    const halves: Record<string, (numerator: bigint, unit: bigint) => bigint> = {
      FLOOR: floor,
      CEIL: (a, b) => -floor(-a, b),
      HALF_UP: (a, b) => (a >= 0n ? floor(2n * a + b, 2n * b) : -floor(-2n * a + b, 2n * b)),
      HALF_DOWN: (a, b) => (a >= 0n ? -floor(-2n * a + b, 2n * b) : floor(2n * a + b, 2n * b)),
      DOWN: (a, b) => a / b,
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(halves)),
        fc.integer({ min: -(2 ** 22), max: 2 ** 22 }),
        fc.integer({ min: -(2 ** 30), max: 2 ** 30 }),
        fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
        fc.integer({ min: 0, max: 40 }),
        (mode, n, multiplier, offset, shift) => {
          const exact = halves[mode]!(BigInt(n) * BigInt(multiplier) + BigInt(offset), 1n << BigInt(shift));
          const rounded = INTEGER_ROUNDING[mode]!((n * multiplier + offset) / 2 ** shift);
          expect(BigInt(rounded)).toBe(exact);
        },
      ),
    );
  });

  it("refuses what 53 bits do not hold, fractions, wrong counts and unknown roundings", () => {
    const parts = { grid, shape: [2], multiplier: [1], offset: [0] };
    expect(() => requant({ ...parts, multiplier: [2 ** 44] }, {})).toThrow(
      /"y" \(requant\): the products .* reach 2\^53/,
    );
    expect(() => requant({ ...parts, multiplier: [0.5] }, {})).toThrow(/"m" holds no constant integers/);
    expect(() => requant({ ...parts, offset: [1, 2, 3] }, {})).toThrow(/"o" has 3 values for 2 channels/);
    expect(() => requant(parts, { shift: 53 })).toThrow(/it shifts by 53/);
    expect(() => requant(parts, { rounding: "SOMEHOW" })).toThrow(/it rounds by SOMEHOW/);
  });
});

function floor(a: bigint, b: bigint): bigint {
  return a >= 0n || a % b === 0n ? a / b : a / b - 1n;
}
