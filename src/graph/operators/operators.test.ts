import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../build.ts";
import type { Attributes } from "../graph.ts";
import { gridOfValues } from "../grid.ts";
import { runGraph } from "../run.ts";
import { verifyGraph } from "../verify.ts";
import { quantRange, ROUNDING } from "./quant.ts";

/** Runs one operator on an input and constants. */
function runOne(
  op: string,
  shape: readonly number[],
  x: readonly number[],
  constants: readonly { shape: readonly number[]; values: readonly number[] }[] = [],
  attributes: Attributes = {},
): { shape: readonly number[]; values: number[] } {
  const builder = new GraphBuilder("one");
  builder.input("x", shape, gridOfValues(x));
  const names = constants.map((constant, i) => builder.constant(`c${i}`, constant.shape, constant.values));
  builder.node(op, ["x", ...names], "y", attributes);
  const graph = verifyGraph(builder.build(["y"]));
  return { shape: graph.tensors.get("y")!.shape, values: [...runGraph(graph, x).get("y")!] };
}

describe("operators by hand", () => {
  it("conv pads with its pad value and strides", () => {
    const ones = { shape: [1, 1, 3, 3], values: Array(9).fill(1) };
    const attributes = { strides: [2, 2], pads: [1, 1, 1, 1], padValue: -1 };
    // 1 2 3 / 4 5 6 / 7 8 9: the corner window sees 1 2 4 5 and five pads.
    expect(runOne("conv", [1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9], [ones], attributes)).toEqual({
      shape: [1, 2, 2],
      values: [12 - 5, 16 - 5, 24 - 5, 28 - 5],
    });
  });

  it("conv sums over channels and adds the bias", () => {
    const weights = { shape: [2, 2, 1, 1], values: [1, 10, 2, 20] };
    const bias = { shape: [2], values: [100, 200] };
    const attributes = { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 };
    expect(runOne("conv", [2, 1, 2], [1, 2, 3, 4], [weights, bias], attributes).values).toEqual([131, 142, 262, 284]);
  });

  it("gemm multiplies and adds", () => {
    const weights = { shape: [2, 3], values: [1, 2, 3, -1, 0, 1] };
    expect(runOne("gemm", [3], [1, 10, 100], [weights, { shape: [2], values: [0.5, 0] }]).values).toEqual([321.5, 99]);
  });

  it("averagePool averages whole windows and leaves a rest out", () => {
    const attributes = { kernel: [2, 2], strides: [2, 2] };
    expect(runOne("averagePool", [1, 2, 3], [1, 2, 9, 3, 4, 9], [], attributes)).toEqual({
      shape: [1, 1, 1],
      values: [2.5],
    });
  });

  it("pad adds channels and pixels", () => {
    const attributes = { before: [0, 0, 1], after: [1, 0, 0], value: 7 };
    expect(runOne("pad", [1, 1, 2], [1, 2], [], attributes)).toEqual({ shape: [2, 1, 3], values: [7, 1, 2, 7, 7, 7] });
  });

  it("add, sub and mul broadcast by channel", () => {
    const perChannel = { shape: [2], values: [10, 100] };
    expect(runOne("add", [2, 1, 2], [1, 2, 3, 4], [perChannel]).values).toEqual([11, 12, 103, 104]);
    expect(runOne("sub", [2, 1, 2], [1, 2, 3, 4], [perChannel]).values).toEqual([-9, -8, -97, -96]);
    expect(runOne("mul", [2, 1, 2], [1, 2, 3, 4], [perChannel]).values).toEqual([10, 20, 300, 400]);
  });

  it("batchNorm follows its formula", () => {
    const parameters = [[2], [1], [3], [3]].map((values) => ({ shape: [1], values }));
    expect(runOne("batchNorm", [1, 1, 2], [3, 5], parameters, { epsilon: 1 }).values).toEqual([1, 3]);
  });

  it("bipolarQuant sends zero to plus one", () => {
    expect(runOne("bipolarQuant", [3], [-0.5, 0, 2], [], { scale: 1 }).values).toEqual([-1, 1, 1]);
  });

  it("threshold counts the thresholds that a rising or falling channel reaches", () => {
    const thresholds = { shape: [2, 2], values: [0, 2, 0, 2] };
    const attributes = { rising: [1, 0], scale: 1, offset: 0, inputStep: 1 };
    // Falling: the integer n counts as -n - 1.
    expect(runOne("threshold", [2, 1, 4], [-1, 0, 2, 3, -1, -2, -3, 0], [thresholds], attributes).values).toEqual([
      0, 1, 2, 2, 1, 1, 2, 0,
    ]);
  });
});

describe("quantisers", () => {
  it.each([
    ["ROUND", [-2, -2, 0, 0, 2, 2]],
    ["FLOOR", [-3, -2, -1, 0, 1, 2]],
    ["CEIL", [-2, -1, 0, 1, 2, 3]],
    ["UP", [-3, -2, -1, 1, 2, 3]],
    ["DOWN", [-2, -1, 0, 0, 1, 2]],
    ["ROUND_TO_ZERO", [-2, -1, 0, 0, 1, 2]],
    ["HALF_UP", [-3, -2, -1, 1, 2, 3]],
    ["HALF_DOWN", [-2, -1, 0, 0, 1, 2]],
  ])("%s rounds halves as QONNX specifies", (mode, expected) => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5].map((x) => ROUNDING[mode]!(x) + 0)).toEqual(expected);
  });

  it.each([
    [8, true, false, -128, 127],
    [8, true, true, -127, 127],
    [4, false, false, 0, 15],
    [4, false, true, 0, 14],
    [1, true, false, -1, 0],
  ])("%i bits, signed %s, narrow %s", (bits, signed, narrow, low, high) => {
    expect(quantRange(bits, signed, narrow)).toEqual({ low, high });
  });
});

describe("grids", () => {
  it("every operator's values lie on the grid that it infers", () => {
    const value = fc.integer({ min: -128, max: 127 }).map((n) => n / 8);
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 16, maxLength: 16 }),
        fc.array(value, { minLength: 8, maxLength: 8 }),
        (x, w) => {
          const builder = new GraphBuilder("grids");
          builder.input("x", [2, 2, 4], { step: 1 / 8, min: -128, max: 127 });
          builder.constant("w", [4, 2, 1, 1], w);
          builder.constant("b", [4], w.slice(0, 4));
          builder.node("conv", ["x", "w", "b"], "conv", { strides: [1, 1], pads: [1, 0, 0, 1], padValue: 0 });
          builder.node("relu", ["conv"], "relu");
          builder.node("averagePool", ["relu"], "pool", { kernel: [1, 4], strides: [1, 4] });
          builder.node("mul", ["pool", "b"], "mul");
          builder.node("sub", ["mul", "b"], "sub");
          builder.node("quant", ["sub"], "quant", {
            scale: 1,
            zero: 0,
            bits: 6,
            signed: 1,
            narrow: 0,
            rounding: "ROUND",
          });
          const graph = builder.build(["quant"]);
          for (const [name, values] of runGraph(graph, x)) {
            const grid = graph.tensors.get(name)!.grid!;
            for (const v of values) {
              expect(Number.isInteger(v / grid.step), `${name}: ${v} on step ${grid.step}`).toBe(true);
              expect(v / grid.step).toBeGreaterThanOrEqual(grid.min);
              expect(v / grid.step).toBeLessThanOrEqual(grid.max);
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("finds the coarsest step of values, or none", () => {
    expect(gridOfValues([0.5, -1.25, 3])).toEqual({ step: 0.25, min: -5, max: 12 });
    expect(gridOfValues([0, 0])).toEqual({ step: 1, min: 0, max: 0 });
    expect(gridOfValues([1, 2 ** -30])).toBeUndefined();
    expect(gridOfValues([Number.NaN])).toBeUndefined();
  });
});
