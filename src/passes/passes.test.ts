import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldPad } from "./fold-pad.ts";

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

describe("foldBatchNorm", () => {
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
    const after = verifyGraph(foldBatchNorm(before));
    expect(ops(after)).toEqual(["threshold"]);
    const x = everyInteger(5);
    expect(runGraph(after, x).get("y")).toEqual(runGraph(before, x).get("y"));
  });

  it("keeps a batch norm that something else reads", () => {
    const builder = new GraphBuilder("norm");
    builder.input("x", [1, 1, 256], stream);
    const norm = batchNorm(builder, "x", [1], [0.1], [0.2]);
    builder.node("bipolarQuant", [norm], "sign", { scale: 1 });
    builder.node("relu", [norm], "relu");
    expect(ops(foldBatchNorm(builder.build(["sign", "relu"])))).toEqual(["batchNorm", "bipolarQuant", "relu"]);
  });

  it("refuses a boundary that float32 rounding would decide", () => {
    const builder = new GraphBuilder("edge");
    builder.input("x", [1, 1, 256], stream);
    // 0.1 * (10 - 10.5) / sqrt(2) + beta is zero up to rounding.
    const tiny = batchNorm(builder, "x", [0.1], [(0.1 * 0.5) / Math.sqrt(2.00001)], [10.5]);
    builder.node("bipolarQuant", [tiny], "y", { scale: 1 });
    const graph = builder.build(["y"]);
    const levels = new Set([0, 1e-9, -1e-9].map((nudge) => outcome(graph, nudge)));
    expect(levels.has("refused")).toBe(true);
  });

  function outcome(graph: Graph, nudge: number): string {
    const beta = graph.tensors.get("beta")!;
    const moved = new Map(graph.tensors).set("beta", { ...beta, values: beta.values!.map((b) => b + nudge) });
    try {
      foldBatchNorm({ ...graph, tensors: moved });
      return "folded";
    } catch (error) {
      expect(String(error)).toMatch(/channel 0 of "x" so close to a quantisation boundary/);
      return "refused";
    }
  }
});

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
