/** Graphs without exit and cut: data movement alone, and the result row. */
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { checkGraph, randomSample } from "../support/run-graph.ts";

const bytes = { step: 0.5, min: -128, max: 127 };

function graphOf(shape: readonly number[], build: (builder: GraphBuilder) => string): Graph {
  const builder = new GraphBuilder("edge-only");
  builder.input("x", shape, bytes);
  return builder.build([build(builder)]);
}

const check = (graph: Graph, options = {}) =>
  checkGraph(graph, [randomSample(graph, 1), randomSample(graph, 2)], options);

describe("an edge-only module", () => {
  it.each([[[5]], [[1, 4, 6]], [[3, 1, 1]], [[3, 4, 6]], [[2, 3]], [[2, 3, 2, 2]]])(
    "hands out its own input of shape %j",
    (shape) => {
      const plan = check(graphOf(shape, (b) => b.node("identity", ["x"], "y")));
      expect(plan.layers.map(({ kind }) => kind)).toEqual(["outputs"]);
      expect(plan.output).toMatchObject({ labels: false, step: 0.5 });
    },
  );

  it("takes an image pixel by pixel, if the host writes it so", () => {
    const graph = graphOf([3, 4, 6], (b) => b.node("flatten", ["x"], "y"));
    const plan = checkGraph(graph, [randomSample(graph, 3)], { inputLayout: "HWC" });
    expect(plan.layers.map(({ kind }) => kind)).toEqual(["outputs"]);
  });
});

describe("movement of elements", () => {
  const SIZES = [1, 3, 8, 31, 33];

  it.each(SIZES)("of %i channels: transposes, slices and reshapes that nothing dissolves", (channels) => {
    const build = (b: GraphBuilder): string => {
      b.node("transpose", ["x"], "hwc", { perm: [1, 2, 0] });
      b.node("slice", ["hwc"], "part", { starts: [1, 0, 0], ends: [5, 5, channels], steps: [2, 3, 1] });
      b.node("transpose", ["part"], "back", { perm: [2, 0, 1] });
      b.node("relu", ["back"], "r");
      return b.node("reshape", ["r"], "y", { shape: [2 * channels, 1, 2] });
    };
    check(graphOf([channels, 5, 6], build));
  });

  it.each(SIZES)("of %i channels: what follows a reshape that no strides express", (channels) => {
    const reshaped = (b: GraphBuilder): string =>
      b.node("reshape", [b.node("relu", ["x"], "r")], "wide", { shape: [1, 2 * channels, 3] });
    const transposed = (b: GraphBuilder): string =>
      b.node("flatten", [b.node("transpose", [reshaped(b)], "t", { perm: [2, 0, 1] })], "y");
    const sliced = (b: GraphBuilder): string =>
      b.node("slice", [reshaped(b)], "y", { starts: [0, 1, 0], ends: [1, 2 * channels, 3], steps: [1, 2, 2] });
    check(graphOf([channels, 2, 3], transposed));
    check(graphOf([channels, 2, 3], sliced));
  });

  it.each([0, 1, 2])("concatenates along axis %i what is stored differently", (axis) => {
    const build = (b: GraphBuilder): string => {
      b.node("relu", ["x"], "positive");
      b.constant("two", [1], [2]);
      b.node("mul", ["x", "two"], "doubled");
      return b.node("concat", ["x", "positive", "doubled"], "y", { axis });
    };
    check(graphOf([3, 4, 5], build));
    check(graphOf([17, 1, 5], build));
  });

  it("concatenates vectors", () => {
    check(graphOf([7], (b) => b.node("concat", ["x", "x"], "y", { axis: 0 })));
  });

  it.each([0, -1, 40, -300])("pads with %i, in channels, rows and columns", (integer) => {
    const attributes = { before: [1, 0, 2], after: [2, 1, 1], value: integer * 0.5 };
    check(graphOf([5, 3, 4], (b) => b.node("pad", [b.node("relu", ["x"], "r")], "y", attributes)));
  });
});
