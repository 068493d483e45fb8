/** Whatever an operator computes from integers on a grid lies on the grid that it infers, on steps that are no powers of two, too. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../build.ts";
import type { Attributes } from "../graph.ts";
import { runGraph } from "../run.ts";
import { verifyGraph } from "../verify.ts";

const WINDOW = { kernel: [2, 3], strides: [1, 2], pads: [1, 1, 0, 1] };
const QUANT = { bits: 5, signed: 1, narrow: 1, rounding: "ROUND", scale: 0.7, zero: 3 };
const ONES = { shape: [3, 1, 2, 2], values: [1, -2, 0, 3, 1, 1, 1, 1, -1, -1, 2, 0] };

interface Case {
  readonly op: string;
  readonly attributes?: Attributes;
  readonly constants?: readonly { shape: readonly number[]; values: readonly number[]; step?: number }[];
  /** Whether the result is on a grid. */
  readonly on?: boolean;
}

const CASES: Case[] = [
  { op: "relu" },
  { op: "identity" },
  { op: "sign" },
  { op: "clip", attributes: { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY } },
  { op: "clip", attributes: { min: 0, max: 1000 } },
  { op: "clip", attributes: { min: -0.123, max: 0.1 }, on: false },
  { op: "softmax", on: false },
  { op: "argMax" },
  { op: "hardSigmoid", attributes: { alpha: 0.2, beta: 0.5 }, on: false },
  { op: "maxPool", attributes: WINDOW },
  { op: "averagePool", attributes: { ...WINDOW, countIncludePad: 1 } },
  { op: "averagePool", attributes: { ...WINDOW, countIncludePad: 0 }, on: false },
  { op: "averagePool", attributes: { kernel: [3, 5], strides: [3, 5] } },
  { op: "pad", attributes: { before: [1, 0, 2], after: [0, 1, 0], value: 0 } },
  { op: "pad", attributes: { before: [0, 0, 0], after: [0, 1, 0], value: 0.0123 }, on: false },
  { op: "concat", attributes: { axis: 1 }, constants: [{ shape: [3, 2, 5], values: new Array(30).fill(0) }] },
  { op: "slice", attributes: { starts: [0, 1, 0], ends: [3, 4, 5], steps: [2, 1, 3] } },
  { op: "transpose", attributes: { perm: [2, 0, 1] } },
  { op: "reshape", attributes: { shape: [5, 12] } },
  { op: "flatten" },
  { op: "mul", constants: [{ shape: [1], values: [-0.37] }] },
  { op: "mul", constants: [{ shape: [3], values: [0.25, -2, 3] }] },
  { op: "mul", constants: [{ shape: [3], values: [0.1, 0.2, 0.3] }], on: false },
  { op: "div", constants: [{ shape: [1], values: [-7] }] },
  { op: "div", constants: [{ shape: [3], values: [1, 2, 3] }], on: false },
  { op: "add", constants: [{ shape: [3], values: [0, 0, 0] }] },
  { op: "quant", attributes: QUANT },
  { op: "quant", attributes: { ...QUANT, zeroAfterRounding: 1 } },
  { op: "quant", attributes: { ...QUANT, zero: [1, 2, 3] } },
  { op: "quant", attributes: { ...QUANT, scale: [0.1, 0.2, 0.3] }, on: false },
  { op: "bipolarQuant", attributes: { scale: 0.3 } },
  { op: "bipolarQuant", attributes: { scale: [0.3, 0.3, 0.3] } },
  { op: "bipolarQuant", attributes: { scale: [1, 2, 3] }, on: false },
  {
    op: "trunc",
    attributes: { scale: 0.1, zero: 4, shift: 2, outputScale: 0.4, bits: 4, signed: 1, narrow: 0, rounding: "FLOOR" },
  },
  {
    op: "conv",
    attributes: { strides: [2, 1], pads: [1, 0, 1, 1], dilations: [1, 2], group: 3, padValue: 0 },
    constants: [{ ...ONES, step: 0.3 }],
  },
];

describe.each([1 / 8, 0.3, Math.fround(0.0123)])("on a step of %s", (step) => {
  it.each(CASES.map((each) => [`${each.op} ${JSON.stringify(each.attributes ?? {})}`, each] as const))(
    "%s",
    (_, { op, attributes = {}, constants = [], on = true }) => {
      const builder = new GraphBuilder("grid");
      builder.input("x", [3, 4, 5], { step, min: -100, max: 90 });
      const names = constants.map(({ shape, values, step: unit }, i) =>
        unit === undefined
          ? builder.constant(`c${i}`, shape, values)
          : builder.constant(
              `c${i}`,
              shape,
              values.map((n) => n * unit),
              { step: unit, min: -2, max: 3 },
            ),
      );
      builder.node(op, ["x", ...names], "y", attributes);
      const graph = verifyGraph(builder.build(["y"]));
      const { grid } = graph.tensors.get("y")!;
      // Steps that are binary fractions happen to hold more constants.
      if (step !== 1 / 8) expect(grid !== undefined).toBe(on);
      if (!grid) return;
      const integers = fc.array(fc.integer({ min: -100, max: 90 }), { minLength: 60, maxLength: 60 });
      fc.assert(
        fc.property(integers, (x) => {
          for (const value of runGraph(
            graph,
            x.map((n) => n * step),
          ).get("y")!) {
            const n = value / grid.step;
            expect(Math.abs(n - Math.round(n))).toBeLessThan(1e-9 * Math.max(1, Math.abs(n)));
            expect(Math.round(n)).toBeGreaterThanOrEqual(grid.min);
            expect(Math.round(n)).toBeLessThanOrEqual(grid.max);
          }
        }),
        { numRuns: 10 },
      );
    },
  );
});

describe("an operator refuses", () => {
  it.each<[string, Attributes, readonly (readonly number[])[], RegExp]>([
    ["concat", { axis: 1 }, [[2, 4, 5]], /shapes \[3,4,5\] and \[2,4,5\] differ/],
    [
      "slice",
      { starts: [0, 0, 0], ends: [3, 4, 6], steps: [1, 1, 1] },
      [],
      /0 to 6 by 1 does not lie in the 5 elements of axis 2/,
    ],
    ["slice", { starts: [0], ends: [3], steps: [1] }, [], /starts has 1 values/],
    [
      "slice",
      { starts: [0, 2, 0], ends: [3, 2, 5], steps: [1, 1, 1] },
      [],
      /its result would have the shape \[3,0,5\]/,
    ],
    ["transpose", { perm: [0, 1, 1] }, [], /perm \[0,1,1\] is no permutation/],
    ["reshape", { shape: [7] }, [], /\[3,4,5\] does not have the elements of \[7\]/],
    ["maxPool", { kernel: [1, 1], strides: [1, 1], pads: [1, 0, 0, 0] }, [], /padding is as wide as its window/],
    ["maxPool", { kernel: [5, 1], strides: [1, 1] }, [], /a 5x1 kernel does not fit into \[3,4,5\]/],
    ["quant", { ...QUANT, scale: [1, 2] }, [], /2 values of scale for 3 channels/],
    [
      "conv",
      { strides: [1, 1], pads: [0, 0, 0, 0], group: 2, padValue: 0 },
      [[3, 1, 1, 1]],
      /3 outputs do not divide into 2 groups/,
    ],
  ])("%s %o", (op, attributes, constants, message) => {
    const builder = new GraphBuilder("refused");
    builder.input("x", [3, 4, 5]);
    const names = constants.map((shape, i) =>
      builder.constant(`c${i}`, shape, new Float64Array(shape.reduce((a, b) => a * b))),
    );
    expect(() => builder.node(op, ["x", ...names], "y", attributes)).toThrow(message);
  });
});
