import { describe, expect, it } from "vitest";
import { GraphBuilder } from "./build.ts";
import type { Graph, Tensor } from "./graph.ts";
import { requireExact, verifyGraph } from "./verify.ts";

function sample(): Graph {
  const builder = new GraphBuilder("sample");
  builder.input("x", [2, 2, 2], { step: 1, min: -128, max: 127 });
  builder.constant("w", [2, 2, 1, 1], [1, 2, 3, 4]);
  builder.node("conv", ["x", "w"], "y", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
  builder.node("relu", ["y"], "z");
  return builder.build(["z"]);
}

function withTensor(graph: Graph, name: string, change: Partial<Tensor>): Graph {
  return { ...graph, tensors: new Map([...graph.tensors, [name, { ...graph.tensors.get(name)!, ...change }]]) };
}

describe("verifyGraph", () => {
  it("accepts what the builder makes", () => {
    expect(verifyGraph(sample()).outputs).toEqual(["z"]);
  });

  it("names the node that breaks a rule", () => {
    const graph = sample();
    expect(() => verifyGraph({ ...graph, nodes: graph.nodes.toReversed() })).toThrow(
      /"z" \(relu\): "y" is read before/,
    );
    expect(() => verifyGraph({ ...graph, nodes: [...graph.nodes, graph.nodes[0]!] })).toThrow(
      /"y" \(conv\): "y" is made twice/,
    );
    expect(() => verifyGraph(withTensor(graph, "y", { shape: [2, 2, 3] }))).toThrow(
      /"y" \(conv\): the result is \[2,2,3\]/,
    );
    expect(() => verifyGraph(withTensor(graph, "z", { grid: { step: 2, min: 0, max: 9 } }))).toThrow(
      /"z" \(relu\): .*grid differs/,
    );
    expect(() => verifyGraph({ ...graph, outputs: ["q"] })).toThrow(/output "q" is not made/);
  });

  it("refuses integers beyond what float32 holds", () => {
    const builder = new GraphBuilder("big");
    builder.input("x", [2, 1, 1], { step: 1, min: -128, max: 127 });
    builder.constant("w", [2], [2 ** 20 + 1, 1]);
    builder.node("mul", ["x", "w"], "y");
    expect(() => requireExact(verifyGraph(builder.build(["y"])))).toThrow(/"y" \(mul\): integers reach \d+, beyond/);
  });
});
