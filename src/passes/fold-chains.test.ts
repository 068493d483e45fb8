import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Attributes, Graph } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import { foldChains } from "./fold-chains.ts";
import type { Note } from "./notes.ts";

const stream = { step: 0.5, min: -128, max: 127 };

function ops(graph: Graph): string[] {
  return graph.nodes.map((node) => node.op);
}

/** Every integer of an 8-bit stream, in each of `channels` channels. */
function everyInteger(channels: number): Float64Array {
  return Float64Array.from({ length: channels * 256 }, (_, i) => ((i % 256) - 128) * 0.5);
}

function batchNorm(builder: GraphBuilder, x: string, gamma: number[], beta: number[], mean: number[]): string {
  const channels = gamma.length;
  builder.constant("gamma", [channels], gamma);
  builder.constant("beta", [channels], beta);
  builder.constant("mean", [channels], mean);
  builder.constant(
    "variance",
    [channels],
    gamma.map(() => 2),
  );
  return builder.node("batchNorm", [x, "gamma", "beta", "mean", "variance"], "norm", { epsilon: 1e-5 });
}

describe("foldChains", () => {
  const gamma = [1, -0.7, 0.01, 0.3, -2];
  const beta = [0.1, 0.2, 5, -90, 0.37];
  const mean = [3.3, -8.1, 0.2, 0.1, 40.2];

  it.each([
    ["bipolarQuant", { scale: 1 }],
    ["quant", { scale: 1, zero: 0, bits: 2, signed: 1, narrow: 0, rounding: "FLOOR" }],
    ["quant", { scale: 0.25, zero: 0, bits: 4, signed: 0, narrow: 0, rounding: "ROUND" }],
  ])("%s behind a batch norm becomes thresholds with the same value for every integer", (op, attributes) => {
    const builder = new GraphBuilder("norm");
    builder.input("x", [5, 1, 256], stream);
    builder.node(op, [batchNorm(builder, "x", gamma, beta, mean)], "y", attributes);
    const before = verifyGraph(builder.build(["y"]));
    const after = verifyGraph(foldChains(before));
    expect(ops(after)).toEqual(["threshold"]);
    const x = everyInteger(5);
    expect(runGraph(after, x).get("y")).toEqual(runGraph(before, x).get("y"));
  });

  it("folds what leads to a quantiser even where something else reads the batch norm, which then stays", () => {
    const builder = new GraphBuilder("norm");
    builder.input("x", [1, 1, 256], stream);
    const norm = batchNorm(builder, "x", [1], [0.1], [0.2]);
    builder.node("bipolarQuant", [norm], "sign", { scale: 1 });
    builder.node("relu", [norm], "relu");
    expect(ops(foldChains(builder.build(["sign", "relu"])))).toEqual(["batchNorm", "threshold", "relu"]);
  });

  it("refuses a boundary that float32 rounding would decide", () => {
    const builder = new GraphBuilder("edge");
    builder.input("x", [1, 1, 256], stream);
    // 0.1 * (10 - 10.5) / sqrt(2) + beta is zero up to rounding.
    const tiny = batchNorm(builder, "x", [0.1], [(0.1 * 0.5) / Math.sqrt(2.00001)], [10.5]);
    builder.node("bipolarQuant", [tiny], "y", { scale: 1 });
    // Two outputs: a hybrid model.
    const graph = builder.build(["y", builder.node("relu", ["x"], "cut")]);
    const levels = new Set([0, 1e-9, -1e-9].map((nudge) => outcome(graph, nudge)));
    expect(levels.has("refused")).toBe(true);
  });

  function outcome(graph: Graph, nudge: number): string {
    const beta = graph.tensors.get("beta")!;
    const moved = new Map(graph.tensors).set("beta", { ...beta, values: beta.values!.map((b) => b + nudge) });
    try {
      foldChains({ ...graph, tensors: moved });
      return "folded";
    } catch (error) {
      expect(String(error)).toMatch(/channel 0 of "x" so close to a quantisation boundary/);
      return "refused";
    }
  }
});

/** A step of a chain: an operator and its constants, one value or one per channel. */
type Step = readonly [op: string, constants: readonly (readonly number[])[], attributes?: Attributes];

interface Case {
  readonly grid: Grid;
  readonly channels: number;
  readonly steps: readonly Step[];
  readonly quantiser: readonly [string, Attributes];
  /** The quantiser's result is read by a relu, and so no output. */
  readonly inside: boolean;
}

function chainGraph({ grid, channels, steps, quantiser, inside }: Case, count: number): Graph {
  const builder = new GraphBuilder("chain");
  let x = builder.input("x", [channels, 1, count], grid);
  steps.forEach(([op, constants, attributes], i) => {
    const names = constants.map((values, j) => builder.constant(`c${i}.${j}`, [values.length], values));
    x = builder.node(op, [x, ...names], `t${i}`, attributes);
  });
  builder.node(quantiser[0], [x], "y", quantiser[1]);
  return verifyGraph(builder.build([inside ? builder.node("relu", ["y"], "z") : "y"]));
}

/** Folds a chain and compares it with itself on integers from end to end of its grid. */
function folded(each: Case): { ops: string[]; notes: Note[]; differing: number } {
  const integers = each.grid.max - each.grid.min + 1;
  const count = Math.min(integers, 4096);
  const graph = chainGraph(each, count);
  const notes: Note[] = [];
  const after = verifyGraph(foldChains(graph, notes));
  const stride = (integers - 1) / Math.max(1, count - 1);
  const x = Float64Array.from({ length: each.channels * count }, (_, i) => {
    return (each.grid.min + Math.round((i % count) * stride)) * each.grid.step;
  });
  const [output] = graph.outputs as [string];
  const [before, now] = [graph, after].map((one) => runGraph(one, x).get(output)!);
  // A step times a whole number, computed in another order, may differ in a double's last bit.
  const differing = before!.reduce((sum, v, i) => sum + (Math.abs(v - now![i]!) > 1e-9 * Math.abs(v) ? 1 : 0), 0);
  return { ops: ops(after), notes, differing };
}

const quant = (attributes: Attributes) =>
  ["quant", { bits: 8, signed: 1, narrow: 0, rounding: "ROUND", scale: 1, zero: 0, ...attributes }] as const;

describe("what a chain becomes", () => {
  const accumulator = { step: 2 ** -10, min: -30000, max: 30000 };
  const norm: Step = [
    "batchNorm",
    [
      [1.1, -0.7, 0.3],
      [0.11, 0.2, -0.5],
      [0.3, -0.21, 0.4],
      [2, 1.5, 1],
    ],
    { epsilon: 1e-5 },
  ];

  it.each<[string, string[], Case]>([
    [
      "a quantiser that only shifts stays",
      ["quant"],
      { grid: accumulator, channels: 3, steps: [], quantiser: quant({ rounding: "FLOOR", scale: 0.25 }), inside: true },
    ],
    [
      "rounding to even is kept where halves occur",
      ["requant"],
      { grid: accumulator, channels: 3, steps: [], quantiser: quant({ scale: 0.25 }), inside: true },
    ],
    [
      "batch norm, relu and 8 bits are a requantisation",
      ["requant"],
      {
        grid: accumulator,
        channels: 3,
        steps: [norm, ["relu", []]],
        quantiser: quant({ scale: 0.22, signed: 0 }),
        inside: true,
      },
    ],
    [
      "2 bits are thresholds",
      ["threshold"],
      { grid: accumulator, channels: 3, steps: [norm], quantiser: quant({ scale: 10, bits: 2 }), inside: true },
    ],
    [
      "an output of 4 bits is thresholds",
      ["threshold"],
      { grid: accumulator, channels: 3, steps: [norm], quantiser: quant({ scale: 2, bits: 4 }), inside: false },
    ],
    [
      "a sign is thresholds",
      ["threshold"],
      { grid: accumulator, channels: 3, steps: [norm], quantiser: ["sign", {}], inside: true },
    ],
    [
      "clips that differ between channels are a table of each",
      ["lut"],
      {
        grid: stream,
        channels: 2,
        steps: [
          ["relu", []],
          ["add", [[-3, 5]]],
        ],
        quantiser: quant({ scale: 0.3 }),
        inside: true,
      },
    ],
    [
      "dropping low bits is a shift",
      ["requant"],
      {
        grid: { step: 0.3, min: -128, max: 127 },
        channels: 2,
        steps: [],
        quantiser: [
          "trunc",
          { scale: 0.3, zero: 0, shift: 3, outputScale: 2.4, bits: 5, signed: 1, narrow: 0, rounding: "FLOOR" },
        ],
        inside: true,
      },
    ],
    [
      "dropping all bits, so that one level is left, is thresholds, none of them",
      ["threshold"],
      {
        grid: { step: 0.5, min: 0, max: 12 },
        channels: 2,
        steps: [["mul", [[4]]]],
        quantiser: [
          "trunc",
          { scale: 2, zero: 0, shift: 4, outputScale: 32, bits: 6, signed: 1, narrow: 0, rounding: "DOWN" },
        ],
        inside: true,
      },
    ],
    [
      "halves to even, where no power of two hits them, are a table",
      ["lut"],
      {
        grid: { step: 1, min: -128, max: 127 },
        channels: 2,
        steps: [],
        quantiser: quant({ scale: 6 }),
        inside: true,
      },
    ],
  ])("%s", (_, [op], each) => {
    const { ops: after, differing, notes } = folded(each);
    expect({ op: after[0], differing, notes }).toEqual({ op, differing: 0, notes: [] });
  });

  it("a product of two functions of one tensor is a table, of few integers only", () => {
    const swish = (grid: Grid) => {
      const builder = new GraphBuilder("swish");
      builder.input("x", [2, 1, 256], grid);
      builder.node("hardSigmoid", ["x"], "gate", { alpha: 1 / 6, beta: 0.5 });
      builder.node("mul", ["x", "gate"], "product");
      builder.node(...([quant({ scale: 0.05 })[0], ["product"], "y", quant({ scale: 0.05 })[1]] as const));
      return builder.build(["y"]);
    };
    const narrow = swish({ step: 0.05, min: -128, max: 127 });
    const after = verifyGraph(foldChains(narrow));
    expect(ops(after)).toEqual(["lut"]);
    const x = Float64Array.from({ length: 512 }, (_, i) => ((i % 256) - 128) * 0.05);
    expect(runGraph(after, x).get("y")).toEqual(
      runGraph(narrow, x)
        .get("y")!
        .map((v) => v + 0),
    );
    expect(() => foldChains(swish({ step: 0.05, min: -300, max: 300 }))).toThrow(/need neither rise nor fall, of 601/);
  });

  it("says how many boundaries 31 bits cannot give", () => {
    // Halves to even, at a slope that is no fraction of a power of two: 1 / 6 hits them exactly.
    const each: Case = {
      grid: { step: 1, min: -600, max: 600 },
      channels: 1,
      steps: [],
      quantiser: quant({ scale: 6 }),
      inside: false,
    };
    const { ops: after, notes, differing } = folded(each);
    expect(after[0]).toBe("requant");
    expect(notes.map(({ node, message }) => [node, message])).toEqual([
      ["y", 'No requantisation of 31 bits is "y" at every boundary between levels: 100 of 200 lie elsewhere.'],
    ]);
    expect(differing).toBe(100);
  });
});

describe("any chain", () => {
  const value = fc.integer({ min: -200, max: 200 }).map((n) => n / 64 + 0.013);
  const factor = fc.integer({ min: -120, max: 120 }).map((n) => (n === 0 ? 0.5 : n / 60));
  const perChannel = (of: fc.Arbitrary<number>, channels: number) =>
    fc.oneof(
      of.map((v) => [v]),
      fc.array(of, { minLength: channels, maxLength: channels }),
    );
  const step = (channels: number): fc.Arbitrary<Step> =>
    fc.oneof(
      perChannel(factor, channels).map((values): Step => ["mul", [values]]),
      perChannel(value, channels).map((values): Step => ["add", [values]]),
      perChannel(value, channels).map((values): Step => ["sub", [values]]),
      factor.map((v): Step => ["div", [[v]]]),
      fc.constant<Step>(["relu", []]),
      value.map((v): Step => ["clip", [], { min: -Math.abs(v), max: Math.abs(v) + 0.4 }]),
      fc.constant<Step>(["hardSigmoid", [], { alpha: 0.2, beta: 0.5 }]),
      fc
        .tuple(...[factor, value, value].map((of) => fc.array(of, { minLength: channels, maxLength: channels })))
        .map(
          ([gamma, beta, mean]): Step => ["batchNorm", [gamma!, beta!, mean!, gamma!.map(Math.abs)], { epsilon: 1e-3 }],
        ),
    );
  const cases: fc.Arbitrary<Case> = fc.integer({ min: 1, max: 5 }).chain((channels) =>
    fc.record({
      grid: fc.record({
        step: fc.constantFrom(0.25, 0.0173, 3.1e-4),
        min: fc.constantFrom(-128, -1000, -100000),
        max: fc.constantFrom(0, 127, 900, 123456),
      }),
      channels: fc.constant(channels),
      steps: fc.array(step(channels), { maxLength: 3 }),
      quantiser: fc.oneof(
        fc.constant(["bipolarQuant", { scale: 0.7 }] as const),
        fc
          .record({
            bits: fc.integer({ min: 1, max: 8 }),
            signed: fc.constantFrom(0, 1),
            narrow: fc.constantFrom(0, 1),
            rounding: fc.constantFrom("ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"),
            scale: fc.constantFrom(0.11, 0.5, 0.03125),
            zero: fc.constantFrom(0, 0, 3),
            zeroAfterRounding: fc.constantFrom(0, 1),
          })
          .filter(({ bits, signed, narrow }) => bits > 1 || (signed === 0 && narrow === 0))
          .map((attributes) => ["quant", attributes] as const),
      ),
      inside: fc.boolean(),
    }),
  );

  it("is its fold on every integer, or a note says that it is not", () => {
    let exact = 0;
    fc.assert(
      fc.property(cases, (each) => {
        const { notes, differing } = folded(each);
        const moved = notes.some(({ message }) => /lie elsewhere/.test(message));
        if (!moved) exact++;
        expect(moved || differing === 0).toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(exact).toBeGreaterThan(150);
  });
});
