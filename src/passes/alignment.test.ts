import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import type { Note } from "./notes.ts";
import { storeOperands } from "./store-operands.ts";

/** Two quantised maps of one input, and something of both. */
function pair(scales: readonly [number, number], join: (builder: GraphBuilder) => void): Graph {
  const builder = new GraphBuilder("pair");
  builder.input("x", [2, 1, 3], { step: 1 / 64, min: -128, max: 127 });
  scales.forEach((scale, i) => {
    builder.node("quant", ["x"], `q${i}`, { bits: 8, signed: 1, narrow: 0, rounding: "ROUND", scale, zero: 0 });
  });
  join(builder);
  return verifyGraph(builder.build(["y"]));
}

function aligned(graph: Graph): { text: string[]; notes: Note[]; error: number; grid: Grid | undefined } {
  const notes: Note[] = [];
  const after = verifyGraph(storeOperands(graph, notes));
  const x = [-2, -0.7, -0.1, 0.33, 1.2, 1.9].map((v) => Math.round(v * 64) / 64);
  const [before, now] = [graph, after].map((one) => runGraph(one, x).get("y")!);
  const error = before!.reduce((most, v, i) => Math.max(most, Math.abs(v - now![i]!)), 0);
  const text = after.nodes.map(({ op, inputs, output }) => `${output} = ${op}(${inputs})`);
  return { text, notes, error, grid: after.tensors.get("y")!.grid };
}

const add = (builder: GraphBuilder): void => void builder.node("add", ["q0", "q1"], "y");

describe("sums and concatenations", () => {
  it("leaves operands alone whose steps divide one another", () => {
    expect(aligned(pair([0.03, 0.06], add))).toMatchObject({
      text: ["q0 = quant(x)", "q1 = quant(x)", "y = add(q0,q1)"],
      notes: [],
      error: 0,
    });
  });

  it("rounds the operand of the smaller range to a fraction of the other's step", () => {
    const { text, notes, error, grid } = aligned(pair([0.03, 0.0157], add));
    expect(text.slice(2)).toEqual(["q1.stored = quant(q1)", "y = add(q0,q1.stored)"]);
    expect(notes.map(({ node, message }) => [node, message])).toEqual([
      ["q1", `"q1" is rounded to 16-bit integers of ${0.03 / 2 ** 8}, to be stored.`],
    ]);
    expect(grid?.step).toBe(0.03 / 2 ** 8);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThanOrEqual(0.03 / 2 ** 9);
  });

  it("rounds an operand that is off the grid", () => {
    const graph = pair([0.03, 0.03], (builder) => {
      builder.constant("alpha", [2], [0.7, Math.PI]);
      builder.constant("beta", [2], [0.1, -0.2]);
      builder.node("mul", ["q1", "alpha"], "scaled");
      builder.node("add", ["scaled", "beta"], "moved");
      builder.node("sub", ["moved", "q0"], "y");
    });
    const { text, error } = aligned(graph);
    expect(text.slice(-2)).toEqual(["moved.stored = quant(moved)", "y = sub(moved.stored,q0)"]);
    expect(error).toBeLessThan(0.001);
  });

  it("stores the sum of the smaller layer where both operands are layers' own", () => {
    const graph = pair([0.03, 0.06], (builder) => {
      const geometry = { strides: [1, 1], padValue: 0 };
      builder.constant("w3", [2, 2, 1, 3], [9900, -5, 7, 12, 33, -120, 9, 9, 9, 100, 1, 2]);
      builder.constant("w1", [2, 2, 1, 1], [1200, -7, 3, 99]);
      builder.node("conv", ["q0", "w3"], "large", { ...geometry, pads: [0, 1, 0, 1] });
      builder.node("conv", ["q1", "w1"], "small", { ...geometry, pads: [0, 0, 0, 0] });
      builder.node("add", ["large", "small"], "y");
    });
    const { text, notes, error } = aligned(graph);
    expect(text.at(-2)).toBe("small.stored = quant(small)");
    expect(notes).toHaveLength(1);
    expect(error).toBeLessThanOrEqual((0.06 * 8) / 2 + 1e-9);
  });

  it("puts both operands on one grid where neither is on any", () => {
    const graph = pair([0.03, 0.06], (builder) => {
      builder.constant("alpha", [2], [0.7, 0.9]);
      builder.node("mul", ["q0", "alpha"], "a");
      builder.node("mul", ["q1", "alpha"], "b");
      builder.node("add", ["a", "b"], "y");
    });
    const { text, error, grid } = aligned(graph);
    expect(text.slice(-3)).toEqual(["a.stored = quant(a)", "b.stored = quant(b)", "y = add(a.stored,b.stored)"]);
    expect(Number.isInteger(Math.log2(grid!.step))).toBe(true);
    expect(error).toBeLessThan(2 ** -12);
  });

  it("puts all parts of a concatenation on one grid", () => {
    const graph = pair([0.03, 0.0157], (builder) => void builder.node("concat", ["q0", "q1"], "y", { axis: 0 }));
    const { text, notes, error } = aligned(graph);
    expect(text.slice(2)).toEqual([
      "q0.stored = quant(q0)",
      "q1.stored = quant(q1)",
      "y = concat(q0.stored,q1.stored)",
    ]);
    expect(notes).toHaveLength(2);
    expect(error).toBeLessThan(0.0002);
  });

  it("leaves a sum of functions of one tensor of few integers, which becomes a table", () => {
    const graph = pair([0.03, 0.03], (builder) => {
      builder.node("hardSigmoid", ["q0"], "gate", { alpha: 0.2, beta: 0.5 });
      builder.node("add", ["q0", "gate"], "y");
    });
    expect(aligned(graph).text.slice(-2)).toEqual(["y.computed = add(q0,gate)", "y = quant(y.computed)"]);
  });
});
