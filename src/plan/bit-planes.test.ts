import { describe, expect, it } from "vitest";
import { bitPlanes, commonStep } from "./bit-planes.ts";

/** The integer that the planes of its bits add up to. */
function rebuilt(n: number, { constant, planes }: ReturnType<typeof bitPlanes>): number {
  return planes.reduce((sum, { bit, coefficient }) => sum + coefficient * ((n >> bit) & 1), constant);
}

describe("planes of bits add up to the integers", () => {
  it.each([
    { name: "unsigned", min: 0, max: 15, step: 1, planes: 4 },
    { name: "signed", min: -8, max: 7, step: 1, planes: 4 },
    { name: "unsigned, of an odd range", min: 3, max: 5, step: 1, planes: 3 },
    { name: "narrow", min: -7, max: 7, step: 1, planes: 4 },
    { name: "+1 and -1", min: -1, max: 1, step: 2, planes: 1 },
    { name: "four levels, two apart", min: -3, max: 3, step: 2, planes: 2 },
    { name: "two levels, eight apart", min: -4, max: 4, step: 8, planes: 1 },
    { name: "nothing but 0", min: 0, max: 0, step: 1, planes: 0 },
  ])("$name", ({ min, max, step, planes }) => {
    const found = bitPlanes({ min, max }, step);
    expect(found.planes).toHaveLength(planes);
    for (let n = min; n <= max; n += step) expect(rebuilt(n, found)).toBe(n);
  });
});

describe("the common step", () => {
  it.each([
    [[-1, 1, 1, -1], 2],
    [[0, 1], 1],
    [[-2, 2, 6], 4],
    [[5, 5], 1],
    [[-8, 7], 1],
  ])("of %j is %i", (integers, step) => expect(commonStep(integers)).toBe(step));
});
