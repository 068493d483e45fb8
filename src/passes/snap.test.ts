import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import { type Graph, tensorOf } from "../graph/graph.ts";
import { isExact } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import { foldAffine } from "./fold-affine.ts";
import { prepareToSnap, type SnapOptions, type Snapped, snapGraph } from "./snap.ts";
import { quantiseBias, quantiseWeights } from "./snap-weights.ts";
import type { Range } from "./storage.ts";

const GEOMETRY = { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 };
const values = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(7 * i + 2));

/** [2, 2, 2] -> conv, batch norm, relu, max pool -> conv beside a shortcut -> dense. */
function network(): Graph {
  const builder = new GraphBuilder("float");
  builder.input("x", [2, 2, 2]);
  builder.constant("w1", [2, 2, 1, 1], values(4));
  const norm = ["gamma", "beta", "mean"].map((name, i) => builder.constant(name, [2], [0.5 + i, -0.7]));
  builder.constant("variance", [2], [0.5, 2]);
  builder.node("conv", ["x", "w1"], "sum", GEOMETRY);
  builder.node("batchNorm", ["sum", ...norm, "variance"], "norm", { epsilon: 1e-5 });
  builder.node("relu", ["norm"], "rectified");
  builder.constant("w2", [2, 2, 1, 1], values(4));
  builder.constant("b2", [2], [0.3, -0.1]);
  builder.node("conv", ["rectified", "w2", "b2"], "second", GEOMETRY);
  builder.node("add", ["second", "rectified"], "residual");
  builder.node("relu", ["residual"], "activated");
  builder.node("flatten", ["activated"], "flat");
  builder.constant("w3", [3, 8], values(24));
  builder.node("gemm", ["flat", "w3"], "logits");
  builder.node("softmax", ["logits"], "y");
  return verifyGraph(builder.build(["y"]));
}

const SAMPLES = [1, 2, 3].map((seed) => Float64Array.from({ length: 8 }, (_, i) => Math.cos(seed * 5 + i * i)));

function rangesOf(graph: Graph): Map<string, Range> {
  const ranges = new Map<string, Range>();
  for (const sample of SAMPLES)
    for (const [name, all] of runGraph(graph, sample)) {
      const { min, max } = ranges.get(name) ?? { min: all[0]!, max: all[0]! };
      ranges.set(name, { min: Math.min(min, ...all), max: Math.max(max, ...all) });
    }
  return ranges;
}

function snap(graph: Graph, options: SnapOptions = { bits: 8 }): Snapped {
  const prepared = prepareToSnap(graph);
  const snapped = snapGraph(prepared, rangesOf(prepared), options);
  verifyGraph(snapped.graph);
  return snapped;
}

const text = (graph: Graph): string[] => graph.nodes.map(({ op, inputs, output }) => `${output} = ${op}(${inputs})`);

describe("foldAffine", () => {
  it("folds a batch norm into the layer in front, whose bias it makes", () => {
    const graph = network();
    const folded = verifyGraph(foldAffine(graph));
    expect(text(folded)[0]).toBe("norm = conv(x,norm.weight,norm.bias)");
    for (const sample of SAMPLES) {
      const [before, after] = [graph, folded].map((one) => [...runGraph(one, sample).get("y")!]);
      for (const [i, value] of before!.entries()) expect(after![i]).toBeCloseTo(value, 12);
    }
  });

  it("leaves layers of integers, and what something else reads", () => {
    const builder = new GraphBuilder("kept");
    builder.input("x", [2, 2, 2], { step: 1, min: 0, max: 1 });
    builder.constant("w", [2, 2, 1, 1], [1, 2, 3, 4]);
    builder.constant("half", [1], [0.3]);
    builder.node("conv", ["x", "w"], "sum", GEOMETRY);
    builder.node("mul", ["sum", "half"], "y");
    expect(text(foldAffine(builder.build(["y"])))).toEqual(["sum = conv(x,w)", "y = mul(sum,half)"]);
    expect(text(foldAffine(network())).filter((line) => line.startsWith("second"))).toEqual([
      "second = conv(rectified,w2,b2)",
    ]);
  });
});

describe("snapGraph", () => {
  it("quantises the input, what layers read and one side of a sum", () => {
    expect(text(snap(network()).graph)).toEqual([
      "x.snapped = quant(x)",
      "norm = conv(x.snapped,norm.weight.snapped,norm.bias.snapped)",
      "rectified = relu(norm)",
      "rectified.snapped = quant(rectified)",
      "second = conv(rectified.snapped,second.weight.snapped,second.bias.snapped)",
      "residual = add(second,rectified.snapped)",
      "activated = relu(residual)",
      "flat = flatten(activated)",
      "flat.snapped = quant(flat)",
      "logits = gemm(flat.snapped,logits.weight.snapped)",
    ]);
  });

  it("puts every tensor on a grid on which float32 is exact", () => {
    const { graph, quantised } = snap(network());
    for (const { output } of graph.nodes)
      expect([output, isExact(tensorOf(graph, output).grid!)]).toEqual([output, true]);
    expect([...quantised.keys()]).toHaveLength(5);
    for (const { scales } of quantised.values())
      expect(scales.every((scale) => Number.isInteger(Math.log2(scale)))).toBe(true);
  });

  it("stays close to the model", () => {
    const graph = prepareToSnap(network());
    const { graph: snapped } = snap(network());
    for (const sample of SAMPLES) {
      const [before, after] = [graph, snapped].map((one) => [...runGraph(one, sample).get("logits")!]);
      const largest = Math.max(...before!.map(Math.abs));
      for (const [i, value] of before!.entries()) expect(Math.abs(after![i]! - value) / largest).toBeLessThan(0.05);
    }
  });

  it("takes bits by tensor", () => {
    const bits = (options: SnapOptions): unknown[] =>
      snap(network(), options)
        .graph.nodes.filter(({ op }) => op === "quant")
        .map(({ attributes }) => attributes.bits);
    // A sum of 16-bit integers would leave what float32 holds: its other side is stored, too.
    expect(bits({ bits: 16 })).toEqual([8, 16, 16, 16]);
    expect(bits({ bits: 8, bitsOf: new Map([["flat", 16]]) })).toEqual([8, 8, 16]);
  });

  it("stores both factors of a product, and gives the parts of a concatenation one step", () => {
    const builder = new GraphBuilder("joined");
    builder.input("x", [2, 2, 2]);
    builder.constant("w", [2, 2, 1, 1], values(4));
    builder.node("conv", ["x", "w"], "a", GEOMETRY);
    builder.node("hardSigmoid", ["a"], "gate", { alpha: 0.2, beta: 0.5 });
    builder.node("mul", ["a", "gate"], "product");
    builder.node("concat", ["product", "x"], "both", { axis: 0 });
    builder.node("averagePool", ["both"], "y", { kernel: [2, 2], strides: [2, 2] });
    const { graph } = snap(builder.build(["y"]));
    expect(text(graph).slice(2)).toEqual([
      "gate = hardSigmoid(a)",
      "a.snapped = quant(a)",
      "gate.snapped = quant(gate)",
      "product = mul(a.snapped,gate.snapped)",
      "product.aligned = quant(product)",
      "both = concat(product.aligned,x.snapped)",
      "both.snapped = quant(both)",
      "y = averagePool(both.snapped)",
    ]);
  });
});

describe("snapGraph of a hybrid model", () => {
  /** [64, 3, 3] -> conv -> cut; cut -> flatten -> dense. Of one output the weights are far smaller. */
  function hybrid(pooled = false): Graph {
    const builder = new GraphBuilder("hybrid");
    builder.input("x", [64, 3, 3]);
    const weights = values(2 * 64 * 9).map((w, i) => (i < 64 * 9 ? w : w / 100));
    builder.constant("w", [2, 64, 3, 3], weights);
    builder.node("conv", ["x", "w"], pooled ? "sum" : "cut", { ...GEOMETRY, pads: [1, 1, 1, 1] });
    const window = { kernel: [2, 2], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };
    if (pooled) builder.node("maxPool", ["sum"], "cut", window);
    builder.node("flatten", ["cut"], "flat");
    const features = pooled ? 8 : 18;
    builder.constant("v", [3, features], values(3 * features));
    builder.node("gemm", ["flat", "v"], "logits");
    return verifyGraph(builder.build(["logits", "cut"]));
  }
  const ranges = new Map(["x", "sum", "cut", "flat", "logits"].map((name) => [name, { min: -1, max: 1 }]));
  const snapped = (graph: Graph, options: Partial<SnapOptions> = {}): Graph =>
    verifyGraph(snapGraph(graph, ranges, { bits: 8, ...options }).graph);

  it("quantises the cut, which keeps its name", () => {
    const { nodes, outputs } = snapped(hybrid());
    expect(outputs).toEqual(["logits", "cut"]);
    expect(nodes.find(({ output }) => output === "cut")).toMatchObject({
      op: "quant",
      inputs: ["cut.real"],
      attributes: { bits: 8, scale: 2 ** -6 },
    });
  });

  it("sends what is stored anyway, in as many bits as are asked for", () => {
    const cutOf = (graph: Graph, options?: Partial<SnapOptions>) =>
      snapped(graph, options).nodes.find(({ output }) => output === "cut");
    const cutValues = [Float32Array.of(-1, 1)];
    expect(cutOf(hybrid(), { bitsOf: new Map([["cut", 1]]), cutValues })?.op).toBe("bipolarQuant");
    expect(cutOf(hybrid(true), { bitsOf: new Map([["cut", 4]]), cutValues })?.attributes).toMatchObject({ bits: 4 });
    expect(cutOf(hybrid(true), { bits: 16 })?.attributes).toMatchObject({ bits: 8 });
  });

  it("keeps sums exact in float32, where small weights would want finer steps", () => {
    const grids = ({ nodes, tensors }: Graph) => nodes.map(({ output }) => tensors.get(output)!.grid!);
    const graph = hybrid();
    expect(grids(snapped(graph)).every(isExact)).toBe(true);
    expect(grids(snapped({ ...graph, outputs: ["logits"] })).every(isExact)).toBe(false);
  });
});

describe("weights", () => {
  it("have a power of two per output, at which half of the range may be clipped where that is closer", () => {
    const { scales, values: snapped } = quantiseWeights(Float64Array.of(1, -0.5, 0.26, 100, 3, -70), 2);
    expect(scales).toEqual([2 ** -6, 2 ** 0]);
    expect([...snapped]).toEqual([1, -0.5, 0.265625, 100, 3, -70]);
    const many = Float64Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1.01 : Math.sin(i) / 4));
    expect(quantiseWeights(many, 1).scales).toEqual([2 ** -7]);
  });

  it("of zeros, or far smaller than others, share the finest step", () => {
    expect(quantiseWeights(Float64Array.of(0, 1, 1e-9), 3).scales).toEqual([2 ** -14, 2 ** -6, 2 ** -14]);
    expect(quantiseWeights(new Float64Array(2), 1).scales).toEqual([1]);
  });

  it("biases are integers of their sums' steps", () => {
    expect([...quantiseBias(Float64Array.of(0.3, -7), [0.25, 2 ** -22]).values]).toEqual([0.25, -2]);
  });
});
