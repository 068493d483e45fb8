/**
 * QONNX as Brevitas exports it from PyTorch: quantisers in Brevitas' own domain with float scales, per output channel for weights; their
 * parameters as Constant nodes; an input that is normalised by a reciprocal; shape arithmetic in front of Reshape; dense layers as Transpose and MatMul.
 */
import { type AttributeValue, floats, int64s } from "../../import/onnx/build.ts";
import { writeTensor } from "../../import/onnx/tensor.ts";
import type { OnnxModel, OnnxTensor } from "../../import/onnx/types.ts";
import { type Activation, type ConvSpec, convGeometry, type DenseSpec, type Feature, torchPads } from "../exporter.ts";
import { QonnxExporter, STREAM_BITS } from "./qonnx.ts";
import { activationScale, weightScales } from "./scales.ts";

const DOMAIN = "onnx.brevitas";

export class BrevitasExporter extends QonnxExporter {
  /** Before 13, axes of Unsqueeze are an attribute. */
  protected override readonly opset = 12;

  override input(shape: readonly number[]): Feature {
    const input = this.declareInput("input", ["batch", ...shape]);
    const raw = this.quantised(input, "input_quant", shape, 1, STREAM_BITS, true);
    const each = [shape[0]!, ...shape.slice(1).map(() => 1)];
    const mean = this.add("Sub", [raw.name, this.#floats(each, () => 0.1 * this.normal())], "normalize.mean");
    const scaled = this.add("Mul", [mean, this.#floats(each, () => 1 / (0.9 + 0.2 * this.random()))], "normalize.out");
    return this.quantised(scaled, "normalize.quant", shape, 1, STREAM_BITS, true);
  }

  override conv(x: Feature, name: string, spec: ConvSpec): Feature {
    const { weightDims, fanIn, outputShape, attributes } = convGeometry(x, spec, torchPads(spec));
    const weight = this.#weight(x, name, weightDims, fanIn, spec.weightBits);
    const sum = this.add("Conv", [x.name, weight], `${name}.conv`, attributes);
    return this.activated(this.batchNorm(sum, `${name}.bn`, spec.outputs), name, outputShape, spec.activation, 1);
  }

  override sum(a: Feature, b: Feature, name: string, activation: Activation): Feature {
    const shared = Math.max(a.power, b.power);
    const scale = activationScale(shared, STREAM_BITS, true);
    const sides = [a, b].map((side, i) =>
      side.scale === scale
        ? side.name
        : this.quantised(side.name, `${name}.side.${i}`, side.shape, shared, STREAM_BITS, true).name,
    );
    const total = this.add("Add", sides, `${name}.add`);
    return this.activated(total, name, a.shape, activation, a.power + b.power);
  }

  override globalPool(x: Feature, name: string): Feature {
    const power = this.pooledPower(x);
    const kernel = { kernel_shape: { ints: x.shape.slice(1) }, strides: { ints: x.shape.slice(1) } };
    const pooled = this.add("AveragePool", [x.name], `${name}.pool`, kernel);
    const quantised = this.quantised(pooled, `${name}.pool_quant`, x.shape, power, STREAM_BITS, false);
    return { ...quantised, name: this.#flatten(quantised.name, name), shape: [x.shape[0]!] };
  }

  override dense(x: Feature, name: string, { outputs, activation, weightBits }: DenseSpec): Feature {
    const [inputs] = x.shape as [number];
    const weight = this.#weight(x, name, [outputs, inputs], inputs, weightBits);
    const turned = this.add("Transpose", [weight], `${name}.weight_t`, { perm: { ints: [1, 0] } });
    const product = this.add("MatMul", [x.name, turned], `${name}.matmul`);
    if (activation === undefined) {
      const bias = this.constant(`${name}.bias`, [outputs], () => 0.1 * this.normal());
      return { name: this.add("Add", [product, bias], `${name}.add`), shape: [outputs], power: 1 };
    }
    return this.activated(this.batchNorm(product, `${name}.bn`, outputs), name, [outputs], activation, 1);
  }

  override finish(last: Feature, name: string, classifies: boolean): OnnxModel {
    const built = super.finish(last, name, classifies);
    return { ...built, opsetImport: [...built.opsetImport, { domain: DOMAIN, version: 1 }] };
  }

  /** x.view(x.size(0), -1) */
  #flatten(x: string, name: string): string {
    const size = this.add("Shape", [x], `${name}.size`);
    const batch = this.add(
      "Gather",
      [size, this.#constant(writeTensor("", "INT64", [], BigInt64Array.of(0n)))],
      `${name}.batch`,
      { axis: { int: 0 } },
    );
    const rows = this.add("Unsqueeze", [batch], `${name}.rows`, { axes: { ints: [0] } });
    const shape = this.add("Concat", [rows, this.#constant(int64s("", [-1]))], `${name}.shape`, { axis: { int: 0 } });
    return this.add("Reshape", [x, shape], `${name}.flat`);
  }

  protected override quantised(
    x: string,
    name: string,
    shape: readonly number[],
    power: number,
    bits: number,
    signed: boolean,
  ): Feature {
    const scale = activationScale(power, bits, signed);
    const quantiser = this.#quant(
      x,
      name,
      this.#floats([], () => scale),
      bits,
      signed,
      false,
    );
    return { name: quantiser, shape, power, scale };
  }

  #weight(x: Feature, name: string, dims: readonly number[], fanIn: number, bits = this.bits.weights): string {
    const outputs = dims[0]!;
    const values = this.randomWeights(outputs * fanIn, fanIn, x.power);
    const scales = weightScales(values, outputs, bits).values();
    const scale = this.#floats([outputs, ...dims.slice(1).map(() => 1)], () => scales.next().value!);
    return this.#quant(
      this.initializer(`${name}.weight`, dims, values),
      `${name}.weight_quant`,
      scale,
      bits,
      true,
      true,
    );
  }

  #quant(x: string, y: string, scale: string, bits: number, signed: boolean, narrow: boolean): string {
    if (bits === 1 && signed) return this.#brevitas("BipolarQuant", [x, scale], y);
    const [zero, width] = [this.#floats([], () => 0), this.#floats([], () => bits)];
    return this.#brevitas("Quant", [x, scale, zero, width], y, {
      narrow: { int: narrow ? 1 : 0 },
      rounding_mode: { string: "ROUND" },
      signed: { int: signed ? 1 : 0 },
    });
  }

  #brevitas(op: string, inputs: readonly string[], y: string, attributes: Record<string, AttributeValue> = {}): string {
    this.add(op, inputs, y, attributes);
    this.nodes.at(-1)!.domain = DOMAIN;
    return y;
  }

  #floats(dims: readonly number[], of: () => number): string {
    return this.#constant(floats("", dims, Array.from({ length: dims.reduce((a, b) => a * b, 1) }, of)));
  }

  #constant(value: OnnxTensor): string {
    return this.add("Constant", [], `Constant_${this.nodes.length}`, { value: { tensor: value } });
  }
}
