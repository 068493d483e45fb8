import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldPad } from "./fold-pad.ts";

const stream = { step: 0.5, min: -128, max: 127 };

function ops(graph: Graph): string[] {
  return graph.nodes.map((node) => node.op);
}

describe("foldPad", () => {
  it("moves pixels of padding into the convolution, value and all", () => {
    const builder = new GraphBuilder("pad");
    builder.input("x", [1, 2, 2], { step: 1, min: -1, max: 1 });
    builder.constant("w", [1, 1, 3, 3], [1, -1, 1, -1, 1, -1, 1, -1, 1]);
    builder.node("pad", ["x"], "padded", { before: [0, 1, 1], after: [0, 1, 1], value: -1 });
    builder.node("conv", ["padded", "w"], "y", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
    const before = builder.build(["y"]);
    const after = verifyGraph(foldPad(before));
    expect(ops(after)).toEqual(["conv"]);
    const x = [1, -1, -1, 1];
    expect(runGraph(after, x).get("y")).toEqual(runGraph(before, x).get("y"));
  });

  it("leaves padding of channels alone", () => {
    const builder = new GraphBuilder("pad");
    builder.input("x", [1, 2, 2], { step: 1, min: -1, max: 1 });
    builder.constant("w", [1, 2, 1, 1], [1, -1]);
    builder.node("pad", ["x"], "padded", { before: [0, 0, 0], after: [1, 0, 0], value: 0 });
    builder.node("conv", ["padded", "w"], "y", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
    expect(ops(foldPad(builder.build(["y"])))).toEqual(["pad", "conv"]);
  });
});

describe("dropIdentity", () => {
  it("removes identities inside, keeps the one that names an output", () => {
    const builder = new GraphBuilder("same");
    builder.input("x", [1], stream);
    builder.node("identity", ["x"], "a");
    builder.node("relu", ["a"], "b");
    builder.node("identity", ["b"], "y");
    const after = verifyGraph(dropIdentity(builder.build(["y"])));
    expect(after.nodes.map((node) => [node.op, ...node.inputs])).toEqual([
      ["relu", "x"],
      ["identity", "b"],
    ]);
  });
});
