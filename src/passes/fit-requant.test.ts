import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closestLines, type Fit, fitLines, type Steps } from "./fit-requant.ts";

/** The steps of a rising function on 0 ... last. */
function stepsOf(last: number, level: (p: number) => number): Steps {
  const integers = Array.from({ length: last }, (_, i) => i + 1).filter((p) => level(p) > level(p - 1));
  return {
    from: [0, ...integers].map((p) => ({ p, level: level(p) })),
    below: [...integers.map((p) => p - 1), last].map((p) => ({ p, level: level(p) + 1 })),
  };
}

function apply({ lines, shift }: Fit, c: number, p: number): number {
  return Math.floor((p * lines[c]!.multiplier + lines[c]!.offset) / 2 ** shift);
}

describe("fitLines", () => {
  it("finds a mere shift, and none for the identity", () => {
    expect(fitLines([stepsOf(1000, (p) => p)])).toEqual({ shift: 0, lines: [{ multiplier: 1, offset: 0 }] });
    const { shift, lines } = fitLines([stepsOf(64, (p) => Math.floor(p / 8))])!;
    expect([shift, lines[0]!.multiplier]).toEqual([3, 1]);
  });

  it("reproduces any rising line, rounded down, at the smallest shift that all channels share", () => {
    const line = fc.record({
      slope: fc.double({ min: 1e-4, max: 3, noNaN: true }),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 31, 255, 5000),
        (channels, last) => {
          const functions = channels.map(
            ({ slope, at }) =>
              (p: number) =>
                Math.floor(p * slope + at),
          );
          const fit = fitLines(functions.map((level) => stepsOf(last, level)))!;
          for (const [c, level] of functions.entries())
            for (let p = 1; p <= last; p++)
              if (level(p) > level(p - 1))
                expect([apply(fit, c, p - 1) < level(p), apply(fit, c, p)]).toEqual([true, level(p)]);
        },
      ),
    );
  });

  it("gives a channel of one level that level, and leaves a channel that may be anything alone", () => {
    const constant = { from: [{ p: 0, level: 7 }], below: [{ p: 100, level: 8 }] };
    const fit = fitLines([constant, { from: [], below: [] }, stepsOf(50, (p) => Math.floor(p / 3))])!;
    expect([0, 50, 100].map((p) => apply(fit, 0, p))).toEqual([7, 7, 7]);
  });

  it("finds none for steps that no line makes; the closest one is off by few", () => {
    const even = stepsOf(60, (p) => {
      const [down, rest] = [Math.floor(p / 6), p % 6];
      return rest > 3 || (rest === 3 && down % 2 === 1) ? down + 1 : down;
    });
    expect(fitLines([even])).toBeUndefined();
    const closest = closestLines([even])!;
    const late = even.from.filter(({ p, level }) => apply(closest, 0, p) < level);
    const early = even.below.filter(({ p, level }) => apply(closest, 0, p) >= level);
    expect(late.length + early.length).toBeLessThanOrEqual(even.from.length / 2 + 1);
    expect(closest.lines[0]!.multiplier).toBeLessThan(2 ** 31);
  });
});
