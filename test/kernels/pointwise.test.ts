/** Element-wise layers: tables, requantisations, sums and products of stored tensors. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { INTEGER_ROUNDING } from "../../src/graph/operators/requant.ts";
import { randomFrom } from "../support/random.ts";
import { checkGraph, randomSample } from "../support/run-graph.ts";

const SIZES = [1, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65];
const MODES = Object.keys(INTEGER_ROUNDING);

const check = (graph: Graph, seed = 1) => checkGraph(graph, [randomSample(graph, seed), randomSample(graph, seed + 1)]);
const kinds = (graph: Graph, seed?: number) => check(graph, seed).layers.map(({ kind }) => kind);

interface Grids {
  readonly signed: boolean;
  readonly bits: number;
}
const gridOf = ({ signed, bits }: Grids, step = 1) =>
  signed ? { step, min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 } : { step, min: 0, max: 2 ** bits - 1 };
const grids = fc.record({ signed: fc.boolean(), bits: fc.integer({ min: 1, max: 7 }) });

/** A requantisation with random numbers per channel. */
function requant(builder: GraphBuilder, x: string, out: Grids, perChannel: boolean, seed: number): string {
  const random = randomFrom(seed);
  const channels = perChannel ? builder.tensor(x).shape[0]! : 1;
  const { min, max } = builder.tensor(x).grid!;
  const reach = Math.max(max, -min, 1);
  const shift = 4 + Math.floor(random() * 12);
  const { min: low, max: high } = gridOf(out);
  const numbers = (scale: number) => Array.from({ length: channels }, () => Math.round((random() - 0.4) * scale));
  builder.constant(`${x}.m`, [channels], numbers(2 ** (shift + out.bits + 1) / reach));
  builder.constant(`${x}.o`, [channels], numbers(2 ** (shift + out.bits - 1)));
  const rounding = MODES[Math.floor(random() * MODES.length)]!;
  const attributes = { shift, rounding, low, high, zero: 0, scale: 0.125 };
  return builder.node("requant", [x, `${x}.m`, `${x}.o`], `${x}.q`, attributes);
}

function mapOf(channels: number, height = 2, width = 3, grid = gridOf({ signed: true, bits: 8 }, 0.5)): GraphBuilder {
  const builder = new GraphBuilder("pointwise");
  builder.input("x", [channels, height, width], grid);
  return builder;
}

describe("functions of one byte", () => {
  it.each(SIZES)("of %i channels, one table for all", (channels) => {
    const builder = mapOf(channels);
    const q = requant(builder, "x", { signed: true, bits: 8 }, false, channels);
    expect(kinds(builder.build([q]))).toContain("table");
  });

  it.each([1, 2, 3, 5, 8])("of %i channels, a table each", (channels) => {
    const builder = mapOf(channels);
    const q = requant(builder, "x", { signed: false, bits: 7 }, true, channels);
    expect(kinds(builder.build([q]))).toContain("table");
  });

  it("goes over a chain of operators at once", () => {
    const builder = mapOf(3);
    builder.constant("c", [3], [0.5, -1, 2]);
    builder.node("add", ["x", "c"], "sum");
    builder.node("relu", ["sum"], "relu");
    builder.node("clip", ["relu"], "clip", { min: 0, max: 12 });
    expect(kinds(builder.build(["clip"]))).toEqual(["copy", "table", "outputs"]);
  });

  it("has a table of its own for a lut", () => {
    const builder = mapOf(12, 2, 2, { step: 1, min: -3, max: 4 });
    const table = Array.from({ length: 12 * 8 }, (_, i) => ((i * 37) % 300) - 100);
    builder.constant("table", [12, 8], table);
    expect(kinds(builder.build([builder.node("lut", ["x", "table"], "y", { scale: 1, zero: 0 })]))).toContain("table");
  });
});

describe("requantisations", () => {
  it.each(SIZES)("of %i channels", (channels) => {
    const builder = mapOf(channels);
    // Per channel and of many channels, tables would be too large.
    const q = requant(builder, "x", { signed: true, bits: 8 }, true, channels);
    check(builder.build([q]), channels);
  });

  it("of 16 and 32 bits", () => {
    const builder = mapOf(5);
    const wide = requant(builder, "x", { signed: true, bits: 16 }, true, 3);
    const wider = requant(builder, wide, { signed: true, bits: 24 }, true, 4);
    const back = requant(builder, wider, { signed: false, bits: 8 }, true, 5);
    check(builder.build([back]));
  });

  it.each([[[4, 5]], [[3, 2, 2, 2]], [[6]]])("of shape %j", (shape) => {
    const builder = new GraphBuilder("ranks");
    builder.input("x", shape, gridOf({ signed: true, bits: 8 }));
    const byte = requant(builder, "x", { signed: true, bits: 8 }, true, 11);
    builder.node("add", [byte, "x"], "both");
    check(builder.build([requant(builder, "both", { signed: false, bits: 12 }, true, 12)]));
  });

  it("by thresholds", () => {
    const builder = mapOf(33);
    const thresholds = Array.from({ length: 33 * 3 }, (_, i) => ((i * 29) % 60) + 60 * (i % 3) - 140);
    builder.constant("t", [33, 3], thresholds);
    const rising = Array.from({ length: 33 }, (_, i) => (i % 4 === 1 ? 0 : 1));
    const q = builder.node("threshold", ["x", "t"], "y", { rising, scale: 1, offset: 0, inputStep: 0.5 });
    check(builder.build([q]));
  });
});

describe("two stored tensors", () => {
  const shapes = fc.record({
    channels: fc.constantFrom(...SIZES),
    height: fc.integer({ min: 1, max: 4 }),
    width: fc.integer({ min: 1, max: 4 }),
    op: fc.constantFrom("add", "sub", "mul"),
    a: grids,
    b: grids,
    out: grids,
    perChannel: fc.boolean(),
    seed: fc.nat(1e6),
  });

  it("are added, subtracted and multiplied", () => {
    fc.assert(
      fc.property(shapes, ({ channels, height, width, op, a, b, out, perChannel, seed }) => {
        const builder = mapOf(channels, height, width);
        const left = requant(builder, "x", a, perChannel, seed);
        builder.node("relu", ["x"], "y");
        const right = requant(builder, "y", b, false, seed + 1);
        builder.node(op, [left, right], "both");
        check(builder.build([requant(builder, "both", out, perChannel, seed + 2)]), seed);
      }),
      { numRuns: 40 },
    );
  });

  it("with a product per channel", () => {
    const builder = mapOf(5, 3, 3);
    builder.node("slice", ["x"], "corner", { starts: [0, 1, 1], ends: [5, 2, 2], steps: [1, 1, 1] });
    builder.node("mul", ["x", "corner"], "gated");
    expect(kinds(builder.build([requant(builder, "gated", { signed: true, bits: 8 }, false, 9)]))).toContain(
      "pointwise",
    );
  });

  it.each(["add", "sub", "mul"])("of finer grids, by tables while they are read: %s", (op) => {
    const builder = mapOf(9, 3, 3);
    builder.node("relu", ["x"], "y");
    const fine = (x: string): string => {
      const limits = { low: -20_000, high: 20_000, zero: 0, scale: 0.125 };
      builder.constant(`${x}.m`, [1], [311]);
      builder.constant(`${x}.o`, [1], [55]);
      return builder.node("requant", [x, `${x}.m`, `${x}.o`], `${x}.fine`, {
        shift: 2,
        rounding: "HALF_UP",
        ...limits,
      });
    };
    builder.node(op, [fine("x"), fine("y")], "both");
    const found = kinds(builder.build([requant(builder, "both", { signed: true, bits: 8 }, true, 7)]));
    expect(found).toEqual(["copy", "pointwise", "outputs"]);
  });

  it("of different steps, unquantised", () => {
    const builder = mapOf(4);
    builder.constant("two", [1], [2]);
    builder.node("relu", ["x"], "r");
    builder.node("mul", ["r", "two"], "doubled");
    check(builder.build([builder.node("sub", ["doubled", "x"], "y")]));
  });
});
