import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import { planModel } from "./planner.ts";

const BYTES = { step: 1, min: -128, max: 127 };
const QUANT = { bits: 8, signed: 1, narrow: 0, rounding: "FLOOR", scale: 2, zero: 0 };

function graphOf(shape: readonly number[], build: (builder: GraphBuilder) => string): Graph {
  const builder = new GraphBuilder("plan");
  builder.input("x", shape, BYTES);
  return builder.build([build(builder)]);
}

const kinds = (graph: Graph): string[] => planModel(graph).layers.map(({ kind }) => kind);

describe("planModel", () => {
  it("makes no layer of what is only looked at in another way", () => {
    const graph = graphOf([6, 4, 4], (b) => {
      b.node("transpose", ["x"], "hwc", { perm: [1, 2, 0] });
      b.node("slice", ["hwc"], "part", { starts: [1, 0, 0], ends: [3, 4, 5], steps: [1, 2, 1] });
      return b.node("reshape", ["part"], "y", { shape: [20] });
    });
    expect(kinds(graph)).toEqual(["outputs"]);
  });

  it("says why each layer is computed as it is", () => {
    const graph = graphOf([3, 4, 4], (b) => b.node("maxPool", ["x"], "y", { kernel: [2, 2], strides: [2, 2] }));
    for (const { why } of planModel(graph).layers) expect(why).toMatch(/^[a-z].{10,}[^.]$/);
  });

  it("lets element-wise layers write over what nobody reads later, and only over that", () => {
    const chain = graphOf([1, 8, 8], (b) => b.node("relu", [b.node("quant", ["x"], "q", QUANT)], "y"));
    expect(planModel(chain).memoryBytes).toBeLessThan(64 + 12 + 4 * 64 + 600);
    const twice = graphOf([1, 8, 8], (b) => {
      b.node("quant", ["x"], "q", QUANT);
      b.node("maxPool", ["q"], "m", { kernel: [1, 1], strides: [1, 1] });
      b.node("relu", ["m"], "r");
      return b.node("concat", ["r", "m"], "y", { axis: 0 });
    });
    const { layers } = planModel(twice);
    const of = (name: string): number => layers.find((layer) => layer.name === name)!.output.address;
    expect(of("r")).not.toBe(of("m"));
  });

  it("refuses all layers without a kernel at once, each with its node", () => {
    const graph = graphOf([2, 4, 4], (b) => {
      b.node("softmax", ["x"], "soft");
      b.node("quant", ["soft"], "s", QUANT);
      b.node("hardSigmoid", ["s"], "hard", { alpha: 0.3, beta: 0.1 });
      b.node("softmax", ["hard"], "again");
      return b.node("quant", ["again"], "y", QUANT);
    });
    expect(() => planModel(graph)).toThrow(/^2 layers have no kernel:\n.*"(again|y)".*\n.*"(soft|s)"/);
  });

  it("takes more pages where they are allowed, and else names the layer that needs the most", () => {
    const graph = graphOf([16, 64, 64], (b) => b.node("maxPool", ["x"], "y", { kernel: [2, 2], strides: [2, 2] }));
    expect(() => planModel(graph)).toThrow(
      /needs \d+ bytes of memory, and a module has 65536; "\w+" alone works on \d+/,
    );
    const { memoryBytes } = planModel(graph, { memoryLimit: 4 * 65536 });
    expect(memoryBytes).toBeGreaterThan(65536);
  });

  it("refuses a graph of more nodes than it plans before it looks at any", () => {
    const graph = graphOf([1], (b) => {
      let last = "x";
      for (let i = 0; i < 5000; i++) last = b.node("softmax", [last], `n${i}`);
      return last;
    });
    expect(() => planModel(graph)).toThrow(/has 5000 nodes, and 4096 are the most/);
  });
});
