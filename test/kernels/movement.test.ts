/** Graphs without exit and cut: data movement alone, and the result row. */
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { planModel } from "../../src/plan/planner.ts";
import { checkGraph, randomSample, runRow } from "../support/run-graph.ts";

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
    const [sample] = [randomSample(graph, 3)];
    const pixels = Int8Array.from(sample, (_, i) => sample[(i % 3) * 24 + Math.floor(i / 3)]!);
    const plan = planModel(graph, { inputLayout: "HWC" });
    for (const engine of ["v8", "wasm3"] as const)
      expect(runRow(graph, plan, engine, pixels).slice(3)).toEqual([...sample]);
  });
});
