/** Pooling, over every kind of element. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { checkGraph, randomSample } from "../support/run-graph.ts";

const CHANNELS = [1, 3, 7, 8, 9, 16, 31, 33];

/** How the pooled tensor is stored: the input as it is, or what is made of it. */
const ELEMENTS = ["int8", "uint8", "int16", "int32"] as const;

function stored(builder: GraphBuilder, element: (typeof ELEMENTS)[number]): string {
  if (element === "int8") return "x";
  if (element === "uint8") return builder.node("relu", ["x"], "stored");
  const factor = element === "int16" ? 201 : 99_001;
  builder.constant("m", [1], [factor]);
  builder.constant("o", [1], [-7]);
  const limits = { low: -(128 * factor + 7), high: 127 * factor - 7 };
  const attributes = { shift: 0, rounding: "FLOOR", zero: 0, scale: 0.25, ...limits };
  return builder.node("requant", ["x", "m", "o"], "stored", attributes);
}

const axis = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  before: fc.integer({ min: 0, max: 2 }),
  after: fc.integer({ min: 0, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
});

type Axis = { size: number; kernel: number; stride: number; before: number; after: number; dilation: number };

/** A geometry that fits: padding narrower than the window, and none around a window with gaps. */
function fitting({ size, kernel, stride, before, after, dilation }: Axis, padded: boolean): Axis {
  const spread = padded ? 1 : dilation;
  const window = Math.min(kernel, Math.floor((size - 1) / spread) + 1);
  const [top, bottom] = padded ? [Math.min(before, window - 1), Math.min(after, window - 1)] : [0, 0];
  return { size, kernel: window, stride, before: top, after: bottom, dilation: spread };
}

const pools = fc.record({
  channels: fc.constantFrom(...CHANNELS),
  rows: axis,
  columns: axis,
  padded: fc.boolean(),
  element: fc.constantFrom(...ELEMENTS),
  op: fc.constantFrom("maxPool", "averagePool"),
  requantised: fc.boolean(),
  seed: fc.nat(1e6),
});

const check = (graph: Graph, seed: number) => checkGraph(graph, [randomSample(graph, seed)]);

describe("pooling equals the reference", () => {
  it("over random windows", () => {
    fc.assert(
      fc.property(pools, ({ channels, padded, element, op, requantised, seed, ...axes }) => {
        const [rows, columns] = [fitting(axes.rows, padded), fitting(axes.columns, padded)];
        const builder = new GraphBuilder("pool");
        builder.input("x", [channels, rows.size, columns.size], { step: 0.5, min: -128, max: 127 });
        const attributes = {
          kernel: [rows.kernel, columns.kernel],
          strides: [rows.stride, columns.stride],
          pads: [rows.before, columns.before, rows.after, columns.after],
          ...(op === "maxPool" && { dilations: [rows.dilation, columns.dilation] }),
          ...(op === "averagePool" && { countIncludePad: 1 }),
        };
        builder.node(op, [stored(builder, element)], "pooled", attributes);
        if (!requantised) {
          check(builder.build(["pooled"]), seed);
          return;
        }
        builder.constant(
          "factor",
          [channels],
          Array.from({ length: channels }, (_, c) => 37 + 11 * (c % 5)),
        );
        builder.constant("offset", [1], [900]);
        const limits = { low: -128, high: 127, zero: 3, scale: 1 };
        const how = { shift: 9, rounding: "HALF_EVEN", ...limits };
        builder.node("requant", ["pooled", "factor", "offset"], "y", how);
        check(builder.build(["y"]), seed);
      }),
      { numRuns: 120 },
    );
  });

  it.each(CHANNELS)("over the whole map of %i channels", (channels) => {
    for (const size of [
      [8, 8],
      [25, 5],
      [16, 17],
    ] as const) {
      const builder = new GraphBuilder("global");
      builder.input("x", [channels, ...size], { step: 1, min: -128, max: 127 });
      builder.node("averagePool", ["x"], "pooled", { kernel: size, strides: [1, 1], pads: [0, 0, 0, 0] });
      builder.constant("m", [1], [Math.round(2 ** 20 / (size[0] * size[1]))]);
      builder.constant("o", [1], [2 ** 19]);
      const attributes = { shift: 20, rounding: "FLOOR", low: -128, high: 127, zero: 0, scale: 1 };
      builder.node("requant", ["pooled", "m", "o"], "y", attributes);
      const plan = check(builder.build(["y"]), channels);
      expect(plan.layers.map(({ kind }) => kind)).toContain("average-pool");
    }
  });

  it("in a module of several pages", () => {
    const builder = new GraphBuilder("pages");
    builder.input("x", [16, 66, 64], { step: 1, min: -128, max: 127 });
    builder.node("maxPool", ["x"], "y", { kernel: [8, 8], strides: [8, 8] });
    const graph = builder.build(["y"]);
    const plan = checkGraph(graph, [randomSample(graph, 1)], { memoryLimit: 4 * 65536 });
    expect(plan.memoryBytes).toBeGreaterThan(2 * 65536);
  });

  it("refuses an average whose divisor changes at the border", () => {
    const builder = new GraphBuilder("border");
    builder.input("x", [3, 4, 4], { step: 1, min: -128, max: 127 });
    builder.node("averagePool", ["x"], "y", { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] });
    expect(() => check(builder.build(["y"]), 1)).toThrow(/"y".*integer grid/);
  });
});
