/** What is written is what the graph computes: each operator on onnxruntime and on the reference kernels. */
import { describe, expect, it } from "vitest";
import { OrtModel } from "../../explore/ort.ts";
import { GraphBuilder } from "../../graph/build.ts";
import { elementCount, type Graph } from "../../graph/graph.ts";
import { runGraph } from "../../graph/run.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { expandQuantizers } from "./expand-quantizers.ts";
import type { SampleLayout } from "./graph-writer.ts";
import { writeGraph } from "./write-graph.ts";

const MAP = [4, 3, 6];

/** A graph of [4, 3, 6] with the given nodes; the last one makes the output. */
function graphOf(add: (builder: GraphBuilder) => string, shape: readonly number[] = MAP): Graph {
  const builder = new GraphBuilder("one");
  builder.input("x", shape);
  return builder.build([add(builder)]);
}

const values = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1));
const WINDOW = { kernel: [2, 3], strides: [1, 2], pads: [1, 0, 0, 2] };
const QUANT = { bits: 4, signed: 1, narrow: 0, rounding: "FLOOR", scale: 0.25, zero: 1 };

async function onOrt(graph: Graph, x: Float32Array, sample?: SampleLayout): Promise<number[]> {
  const model = expandQuantizers(writeGraph(graph, sample ? { sample } : {}), "written.onnx");
  const session = await OrtModel.open(encodeModel(model), "written.onnx");
  const dims = sample?.dims ?? graph.tensors.get(graph.input)!.shape;
  const [output] = graph.outputs as [string];
  try {
    return [...(await session.run({ x: { dims: [1, ...dims], data: x } }, [output])).get(output)!.data];
  } finally {
    await session.close();
  }
}

describe("writeGraph", () => {
  const one =
    (op: string, attributes = {}) =>
    (builder: GraphBuilder) =>
      builder.node(op, ["x"], "y", attributes);
  const withConstants =
    (op: string, constants: readonly (readonly number[])[], attributes = {}) =>
    (builder: GraphBuilder) => {
      const names = constants.map((shape, i) => builder.constant(`c${i}`, shape, values(elementCount(shape))));
      return builder.node(op, ["x", ...names], "y", attributes);
    };
  const conv = { strides: [1, 2], pads: [1, 0, 0, 2], dilations: [1, 2], group: 2, padValue: 0 };

  it.each<[string, Graph]>([
    ["conv", graphOf(withConstants("conv", [[6, 2, 2, 2], [6]], conv))],
    ["conv with another padding", graphOf(withConstants("conv", [[6, 2, 2, 2]], { ...conv, padValue: -1 }))],
    ["gemm", graphOf(withConstants("gemm", [[3, 7], [3]]), [7])],
    ["batchNorm", graphOf(batchNorm)],
    ["maxPool", graphOf(one("maxPool", WINDOW))],
    ["averagePool", graphOf(one("averagePool", { ...WINDOW, countIncludePad: 0 }))],
    ["averagePool with its padding", graphOf(one("averagePool", { ...WINDOW, countIncludePad: 1 }))],
    ["add", graphOf(withConstants("add", [[4]]))],
    ["sub", graphOf(withConstants("sub", [[1]]))],
    ["mul", graphOf(withConstants("mul", [MAP]))],
    ["div", graphOf(withConstants("div", [[4, 1, 1]]))],
    ["relu", graphOf(one("relu"))],
    ["sign", graphOf(one("sign"))],
    ["identity", graphOf(one("identity"))],
    ["clip", graphOf(one("clip", { min: -0.5, max: 0.7 }))],
    ["hardSigmoid", graphOf(one("hardSigmoid", { alpha: 0.3, beta: 0.4 }))],
    ["softmax", graphOf(one("softmax"), [9])],
    ["quant", graphOf(one("quant", QUANT))],
    ["quant per channel", graphOf(one("quant", { ...QUANT, scale: [0.25, 0.5, 1, 0.125] }))],
    ["bipolarQuant", graphOf(one("bipolarQuant", { scale: 0.5 }))],
    ["pad", graphOf(one("pad", { before: [0, 1, 0], after: [2, 0, 1], value: 0.5 }))],
    ["slice", graphOf(one("slice", { starts: [1, 0, 0], ends: [4, 3, 6], steps: [2, 1, 3] }))],
    ["transpose", graphOf(one("transpose", { perm: [2, 0, 1] }))],
    ["flatten", graphOf(one("flatten"))],
    ["reshape", graphOf(one("reshape", { shape: [6, 12] }))],
    ["concat", graphOf((builder) => builder.node("concat", ["x", builder.node("relu", ["x"], "r")], "y", { axis: 1 }))],
  ])("%s", async (_, graph) => {
    const x = Float32Array.from(values(elementCount(graph.tensors.get("x")!.shape)), (v) => 2 * v);
    const expected = [...runGraph(graph, x).get("y")!];
    const actual = await onOrt(graph, x);
    expect(actual).toHaveLength(expected.length);
    for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 5);
  });

  function batchNorm(builder: GraphBuilder): string {
    const names = ["gamma", "beta", "mean"].map((name) => builder.constant(name, [4], values(4)));
    builder.constant("variance", [4], [0.5, 1, 2, 3]);
    return builder.node("batchNorm", ["x", ...names, "variance"], "y", { epsilon: 1e-3 });
  }

  it("takes channels last where the host has them so, and other dimensions of the same elements", async () => {
    const graph = graphOf(withConstants("add", [[4]]));
    const x = Float32Array.from(values(72));
    const [channels, pixels] = [4, 18];
    const turned = x.map((_, i) => x[(i % channels) * pixels + Math.floor(i / channels)]!);
    const expected = await onOrt(graph, x);
    expect(await onOrt(graph, turned, { dims: [3, 6, 4], layout: "HWC" })).toEqual(expected);
    expect(await onOrt(graph, x, { dims: [72] })).toEqual(expected);
  });

  it("refuses what ONNX cannot say", () => {
    const graph = graphOf((builder) => builder.node("quant", ["x"], "y", { ...QUANT, zeroAfterRounding: 1 }));
    expect(() => writeGraph(graph)).toThrow(/adds its zero point behind rounding/);
    const made = new GraphBuilder("made");
    made.input("x", [2], { step: 1, min: 0, max: 1 });
    made.constant("table", [1, 2], [3, 4]);
    made.node("lut", ["x", "table"], "y", { scale: 1, zero: 0 });
    expect(() => writeGraph(made.build(["y"]))).toThrow(/"y" \(lut\) cannot be written as ONNX/);
  });
});
