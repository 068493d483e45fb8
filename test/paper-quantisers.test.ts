/**
 * The quantisers of the CDHNN paper (its equations 1 to 3): I_Q = v1 (round((I + v0) / v1 * Z) / Z - v2) with Z = 2^p - 1 levels above the
 * first, and weights likewise, times alpha. Symmetric around zero they have no level at zero: their integers are odd multiples of half a step.
 * As QONNX: one Quant whose zero point is Z / 2, or a Quant of whole levels with the arithmetic of the equation around it.
 */
import { describe, expect, it } from "vitest";
import { compileModel } from "../src/bundle/compile.ts";
import { openEngine } from "../src/engine/open.ts";
import { outputsOf } from "../src/explore/snap-compare.ts";
import { importModel } from "../src/import/import.ts";
import { floats, int64s, model, node, value } from "../src/import/onnx/build.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../src/import/onnx/types.ts";
import { randomFrom } from "./support/random.ts";

type Form = "one node" | "as written";

/** v0 = v2 v1: the range -v2 v1 ... (1 - v2) v1 maps onto itself. */
interface Quantiser {
  readonly bits: number;
  readonly v1: number;
  readonly v2: number;
}

class Writer {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly random = randomFrom(11);

  constant(name: string, dims: readonly number[], of: () => number): string {
    const count = dims.reduce((a, b) => a * b, 1);
    this.initializers.push(floats(name, dims, Float32Array.from({ length: count }, of)));
    return name;
  }

  op(opType: string, inputs: readonly string[], output: string, attributes = {}): string {
    this.nodes.push(node(opType, inputs, [output], attributes));
    return output;
  }

  quant(
    x: string,
    name: string,
    { scale, zero, bits, signed }: Record<"scale" | "zero" | "bits" | "signed", number>,
  ): string {
    const parameters = { scale, zero, bits };
    const names = Object.entries(parameters).map(([key, number]) => this.constant(`${name}.${key}`, [], () => number));
    return this.op("Quant", [x, ...names], name, {
      signed: { int: signed },
      narrow: { int: 0 },
      rounding_mode: { string: "ROUND" },
    });
  }

  paper(x: string, name: string, { bits, v1, v2 }: Quantiser, form: Form): string {
    const levels = 2 ** bits - 1;
    if (form === "one node") return this.quant(x, name, { scale: v1 / levels, zero: v2 * levels, bits, signed: 0 });
    const moved = this.op("Add", [x, this.constant(`${name}.v0`, [], () => v1 * v2)], `${name}.moved`);
    const scaled = this.op("Mul", [moved, this.constant(`${name}.Z`, [], () => levels / v1)], `${name}.scaled`);
    const rounded = this.quant(scaled, `${name}.rounded`, { scale: 1, zero: 0, bits, signed: 0 });
    const back = this.op("Mul", [rounded, this.constant(`${name}.step`, [], () => v1 / levels)], `${name}.back`);
    return this.op("Sub", [back, this.constant(`${name}.v2`, [], () => v1 * v2)], name);
  }
}

const CHANNELS = 5;

/** Image -> 8-bit conv -> two convolutions with the paper's quantisers -> pool -> dense. */
function paperModel(bits: number, form: Form): OnnxModel {
  const writer = new Writer();
  const { random } = writer;
  const symmetric = { bits, v1: 2, v2: 0.5 };
  const weight = (name: string, dims: readonly number[]) => writer.constant(name, dims, () => 2 * random() - 1);
  const norm = (x: string, name: string) => {
    const parts = ["gamma", "beta", "mean", "variance"].map((key) =>
      writer.constant(`${name}.${key}`, [CHANNELS], () => (key === "mean" ? random() - 0.5 : 0.3 + random())),
    );
    return writer.op("BatchNormalization", [x, ...parts], name);
  };
  const same = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } };

  let x = writer.quant("image", "pixels", { scale: 1 / 64, zero: 0, bits: 8, signed: 1 });
  const first = writer.quant(weight("first.w", [CHANNELS, 2, 3, 3]), "first.q", {
    scale: 1 / 128,
    zero: 0,
    bits: 8,
    signed: 1,
  });
  x = norm(writer.op("Conv", [x, first], "first", same), "norm.0");
  for (const layer of [1, 2]) {
    const activations = writer.paper(x, `act.${layer}`, symmetric, form);
    const quantised = writer.paper(
      weight(`w.${layer}`, [CHANNELS, CHANNELS, 3, 3]),
      `wq.${layer}`,
      symmetric,
      "one node",
    );
    const alpha = writer.constant(`alpha.${layer}`, [CHANNELS, 1, 1, 1], () => 0.1 + random());
    const scaled = writer.op("Mul", [quantised, alpha], `w.${layer}.alpha`);
    x = norm(writer.op("Conv", [activations, scaled], `conv.${layer}`, same), `norm.${layer}`);
  }
  x = writer.quant(writer.op("Relu", [x], "relu"), "features", { scale: 1 / 16, zero: 0, bits: 8, signed: 0 });
  x = writer.op("GlobalAveragePool", [x], "pooled");
  x = writer.quant(x, "means", { scale: 1 / 32, zero: 0, bits: 8, signed: 0 });
  writer.initializers.push(int64s("flat.shape", [-1, CHANNELS]));
  x = writer.op("Reshape", [x, "flat.shape"], "flat");
  const dense = writer.quant(weight("dense.w", [3, CHANNELS]), "dense.q", {
    scale: 1 / 64,
    zero: 0,
    bits: 8,
    signed: 1,
  });
  writer.op("Gemm", [x, dense], "logits", { transB: { int: 1 } });
  return model({
    name: "paper",
    nodes: writer.nodes,
    initializers: writer.initializers,
    inputs: [value("image", ["batch", 2, 6, 5])],
    outputs: [value("logits", ["batch", 3])],
  });
}

describe.each<Form>(["one node", "as written"])("the paper's quantisers, %s", (form) => {
  it.each([1, 2, 3, 4, 8])("with %s bits: the module gives onnxruntime's logits", async (bits) => {
    const source = paperModel(bits, form);
    const { bundle, notes } = await compileModel(encodeModel(source), "paper.onnx");
    expect(notes.filter(({ pass }) => pass !== "fold-chains")).toEqual([]);
    const random = randomFrom(bits);
    const samples = Array.from({ length: 8 }, () => Int8Array.from({ length: 60 }, () => 255 * random() - 128));
    const engine = openEngine(bundle, "v8");
    const actual = samples.map((sample) =>
      [...engine.classify(sample).logits].map((n) => n * bundle.manifest.output!.step),
    );
    engine.close();
    const real = samples.map((sample) => Float32Array.from(sample, (n) => n / 64));
    const { input } = importModel(source, "paper.onnx");
    const [expected] = await outputsOf(source, "paper.onnx", input, real, [source.graph.output[0]!.name!]);
    const differing = actual.filter((row, i) => row.some((v, j) => Math.abs(v - expected![i]![j]!) > 1e-5)).length;
    // Float32 rounding decides about few values that lie on a boundary; none do in these models.
    expect(differing).toBe(0);
  });
});
