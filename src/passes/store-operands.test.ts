import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import { type Graph, tensorOf } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import type { Note } from "./notes.ts";
import { storeOperands } from "./store-operands.ts";

const GEOMETRY = { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 };
const POOL = { kernel: [1, 3], strides: [1, 1] };

/** A convolution of [2, 1, 3]: its weights say how wide its sums are. */
function start(weights: readonly number[]): GraphBuilder {
  const builder = new GraphBuilder("store");
  builder.input("x", [2, 1, 3], { step: 0.1, min: -128, max: 127 });
  builder.constant("w", [2, 2, 1, 1], weights);
  builder.node("conv", ["x", "w"], "sum", GEOMETRY);
  return builder;
}

function stored(graph: Graph): { text: string[]; notes: Note[]; error: number; after: Graph } {
  const notes: Note[] = [];
  const after = verifyGraph(storeOperands(verifyGraph(graph), notes));
  const x = [-12.8, -3, 0, 0.3, 12, 12.7];
  const [before, now] = [graph, after].map((one) => runGraph(one, x).get("y")!);
  const error = before!.reduce((most, v, i) => Math.max(most, Math.abs(v - now![i]!)), 0);
  const text = after.nodes.map(({ op, inputs, output }) => `${output} = ${op}(${inputs})`);
  return { text, notes, error, after };
}

describe("storeOperands", () => {
  it("leaves sums that 16 bits hold", () => {
    const builder = start([1, -3, 20, 100]);
    builder.node("maxPool", ["sum"], "y", POOL);
    expect(stored(builder.build(["y"]))).toMatchObject({ text: ["sum = conv(x,w)", "y = maxPool(sum)"], notes: [] });
  });

  it("puts a quantiser that changes nothing behind what is no step on the grid", () => {
    const builder = start([1, -3, 20, 100]);
    builder.node("relu", ["sum"], "rectified");
    builder.node("averagePool", ["rectified"], "y", POOL);
    const { text, notes, error, after } = stored(builder.build(["y"]));
    expect(text.slice(1)).toEqual([
      "rectified = relu(sum)",
      "rectified.stored = quant(rectified)",
      "y = averagePool(rectified.stored)",
    ]);
    expect(tensorOf(after, "rectified.stored").grid?.step).toBe(tensorOf(after, "sum").grid?.step);
    expect({ notes, exact: error < 1e-12 }).toEqual({ notes: [], exact: true });
  });

  it("rounds to 16 bits what is wider or off the grid, and says so", () => {
    const builder = start([100, -300, 2000, 10001]);
    builder.constant("beta", [2], [0.1, -0.2]);
    builder.node("add", ["sum", "beta"], "biased");
    builder.constant("w2", [1, 2, 1, 1], [1, 2]);
    builder.node("conv", ["biased", "w2"], "y", GEOMETRY);
    const { text, notes, error } = stored(builder.build(["y"]));
    expect(text.at(-1)).toBe("y = conv(biased.stored,w2)");
    expect(notes.map(({ node, message }) => [node, message])).toEqual([
      ["biased", '"biased" is rounded to 16-bit integers of 8, to be stored.'],
    ]);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThanOrEqual(3 * 4);
  });

  it("stores both factors of a product, unless it becomes a table", () => {
    const gated = (builder: GraphBuilder, x: string): Graph => {
      builder.node("hardSigmoid", [x], "gate", { alpha: 0.01, beta: 0.5 });
      builder.node("mul", [x, "gate"], "product");
      builder.node("quant", ["product"], "y", { bits: 8, signed: 1, narrow: 0, rounding: "ROUND", scale: 9, zero: 0 });
      return builder.build(["y"]);
    };
    const { text, error } = stored(gated(start([1, -3, 20, 100]), "sum"));
    expect(text.slice(1)).toEqual([
      "gate = hardSigmoid(sum)",
      "gate.stored = quant(gate)",
      "product = mul(sum,gate.stored)",
      "y = quant(product)",
    ]);
    expect(error).toBeLessThanOrEqual(9);
    const few = new GraphBuilder("few");
    few.input("x", [2, 1, 3], { step: 0.1, min: -128, max: 127 });
    expect(stored(gated(few, "x")).text).toEqual([
      "gate = hardSigmoid(x)",
      "product = mul(x,gate)",
      "y = quant(product)",
    ]);
  });

  it("stores an operand once for all of its readers", () => {
    const builder = start([100, -300, 2000, 10001]);
    builder.node("maxPool", ["sum"], "largest", POOL);
    builder.node("averagePool", ["sum"], "mean", POOL);
    builder.node("add", ["largest", "mean"], "y");
    const { text } = stored(builder.build(["y"]));
    expect(text.filter((line) => line.includes("= quant"))).toEqual(["sum.stored = quant(sum)"]);
  });

  it("rounds an output that is off the grid to 24 bits, and keeps its name", () => {
    const builder = start([1, -3, 20, 100]);
    builder.constant("beta", [2], [0.1, -0.2]);
    builder.node("add", ["sum", "beta"], "y");
    const { text, notes, error } = stored(builder.build(["y"]));
    expect(text.slice(1)).toEqual(["y.computed = add(sum,beta)", "y = quant(y.computed)"]);
    expect(notes.map(({ message }) => message)).toEqual([
      `The output "y" is rounded to 24-bit integers of ${2 ** -12}.`,
    ]);
    expect(error).toBeLessThanOrEqual(2 ** -13);
  });

  it("leaves the pooling of an exit, which is one layer", () => {
    const builder = new GraphBuilder("exit");
    builder.input("x", [2, 1, 2], { step: 0.5, min: -128, max: 127 });
    builder.constant("shift", [2], [1, -1.5]);
    builder.node("sub", ["x", "shift"], "shifted");
    builder.node("relu", ["shifted"], "rectified");
    builder.node("averagePool", ["rectified"], "pooled", { kernel: [1, 2], strides: [1, 2] });
    builder.node("quant", ["pooled"], "y", { bits: 8, signed: 0, narrow: 0, rounding: "FLOOR", scale: 1, zero: 0 });
    builder.node("identity", ["x"], "cut");
    const after = storeOperands(builder.build(["y", "cut"]));
    expect(after.nodes.map(({ op }) => op)).toEqual(["sub", "relu", "averagePool", "quant", "identity"]);
  });
});
