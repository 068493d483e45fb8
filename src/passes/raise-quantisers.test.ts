import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import { graphText } from "../graph/text.ts";
import { verifyGraph } from "../graph/verify.ts";
import { raiseQuantisers } from "./raise-quantisers.ts";

const QUANT = { bits: 4, signed: 1, narrow: 0, rounding: "FLOOR", scale: 2, zero: 0 };
const POOL = { kernel: [2, 2], strides: [2, 2] };

/** A 1x1 convolution of [2, 4, 4] whose sums have 18 bits. */
function start(): GraphBuilder {
  const builder = new GraphBuilder("raise");
  builder.input("x", [2, 4, 4], { step: 1, min: -128, max: 127 });
  builder.constant("w", [2, 2, 1, 1], [100, -300, 271, 500]);
  builder.node("conv", ["x", "w"], "sum", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
  return builder;
}

function ops(graph: Graph): string {
  return graph.nodes.map(({ op }) => op).join(" ");
}

function same(before: Graph, after: Graph): void {
  const x = Float64Array.from({ length: 32 }, (_, i) => ((i * 77) % 256) - 128);
  const [output] = before.outputs as [string];
  expect(
    runGraph(after, x)
      .get(output)!
      .map((v) => v + 0),
  ).toEqual(
    runGraph(before, x)
      .get(output)!
      .map((v) => v + 0),
  );
}

describe("raiseQuantisers", () => {
  it("moves a rising chain and its quantiser in front of a max pool", () => {
    const builder = start();
    builder.node("maxPool", ["sum"], "pooled", POOL);
    builder.constant("alpha", [2], [0.25, 0.5]);
    builder.node("mul", ["pooled", "alpha"], "scaled");
    builder.node("relu", ["scaled"], "rectified");
    builder.node("quant", ["rectified"], "y", QUANT);
    const before = verifyGraph(builder.build(["y"]));
    const after = verifyGraph(raiseQuantisers(before));
    expect(graphText(after).split("\n").slice(4)).toEqual([
      "sum = conv(x, w) {strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0} : [2,4,4], -98688..97917 * 2^0",
      "scaled.raised = mul(sum, alpha) : [2,4,4], -197376..195834 * 2^-2",
      "rectified.raised = relu(scaled.raised) : [2,4,4], 0..195834 * 2^-2",
      "y.raised = quant(rectified.raised) {bits: 4, signed: 1, narrow: 0, rounding: FLOOR, scale: 2, zero: 0} : [2,4,4], -8..7 * 2^1",
      "y = maxPool(y.raised) {kernel: [2, 2], strides: [2, 2]} : [2,2,2], -8..7 * 2^1",
      "outputs y",
      "",
    ]);
    same(before, after);
  });

  it("moves nothing in front of a max pool that falls, or that something else reads", () => {
    const falling = start();
    falling.node("maxPool", ["sum"], "pooled", POOL);
    falling.constant("minus", [2], [1, -1]);
    falling.node("mul", ["pooled", "minus"], "scaled");
    falling.node("quant", ["scaled"], "y", QUANT);
    expect(ops(raiseQuantisers(falling.build(["y"])))).toBe("conv maxPool mul quant");

    const shared = start();
    shared.node("maxPool", ["sum"], "pooled", POOL);
    shared.node("quant", ["pooled"], "y", QUANT);
    expect(ops(raiseQuantisers(shared.build(["y", "pooled"])))).toBe("conv maxPool quant");
  });

  it("leaves a pooling of integers that are narrow already", () => {
    const builder = start();
    builder.node("quant", ["sum"], "narrow", QUANT);
    builder.node("maxPool", ["narrow"], "pooled", POOL);
    builder.node("quant", ["pooled"], "y", { ...QUANT, bits: 2 });
    expect(ops(raiseQuantisers(builder.build(["y"])))).toBe("conv quant maxPool quant");
  });

  it("passes several movements, and takes a padding's value along", () => {
    const builder = start();
    builder.node("pad", ["sum"], "padded", { before: [0, 1, 0], after: [0, 0, 1], value: -7 });
    builder.node("transpose", ["padded"], "turned", { perm: [1, 0, 2] });
    builder.node("flatten", ["turned"], "flat");
    builder.constant("one", [1], [1]);
    builder.node("add", ["flat", "one"], "more");
    builder.node("quant", ["more"], "y", QUANT);
    const before = verifyGraph(builder.build(["y"]));
    const after = verifyGraph(raiseQuantisers(before));
    expect(ops(after)).toBe("conv add quant pad transpose flatten");
    expect(after.nodes[3]!.attributes.value).toBe(-6);
    same(before, after);
  });

  it("goes into every branch of a concatenation", () => {
    const builder = start();
    builder.node("relu", ["sum"], "rectified");
    builder.node("concat", ["sum", "rectified"], "both", { axis: 0 });
    builder.node("quant", ["both"], "y", QUANT);
    const before = verifyGraph(builder.build(["y"]));
    const after = verifyGraph(raiseQuantisers(before));
    expect(ops(after)).toBe("conv relu quant quant concat");
    same(before, after);
  });

  it("does not move what differs between channels past a movement", () => {
    const builder = start();
    builder.node("flatten", ["sum"], "flat");
    builder.constant(
      "each",
      [32],
      Array.from({ length: 32 }, (_, i) => i),
    );
    builder.node("add", ["flat", "each"], "more");
    builder.node("quant", ["more"], "y", QUANT);
    expect(ops(raiseQuantisers(builder.build(["y"])))).toBe("conv flatten add quant");
  });
});
