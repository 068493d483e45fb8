/**
 * int8 as onnxruntime's static quantiser writes it: a pair of QuantizeLinear and DequantizeLinear behind every tensor, weights and biases stored as
 * integers, batch norms folded, ReLUs left to the clipping of the quantiser behind.
 */
import { writeTensor } from "../../import/onnx/tensor.ts";
import {
  type Activation,
  type ConvSpec,
  convGeometry,
  type DenseSpec,
  Exporter,
  type Feature,
  torchPads,
} from "../exporter.ts";
import { activationScale, weightScales } from "./scales.ts";

const BITS = 8;
const UNSIGNED_ZERO = -128;

/** How a tensor's integers q stand for values: (q - zero) * scale. */
interface Scheme {
  readonly scale: number;
  readonly zero: number;
}

export class QdqExporter extends Exporter {
  protected override readonly producer = "onnx.quantize";

  override input(shape: readonly number[]): Feature {
    const name = this.declareInput("input", ["batch", ...shape]);
    return this.#requantised(name, shape, 1, this.#schemeOf("none", 1));
  }

  override conv(x: Feature, name: string, spec: ConvSpec): Feature {
    const { weightDims, fanIn, outputShape, attributes } = convGeometry(x, spec, torchPads(spec));
    const parameters = this.#parameters(x, name, weightDims, fanIn);
    const sum = this.add("Conv", [x.name, ...parameters], `${name}.conv`, attributes);
    return this.#activated(sum, outputShape, spec.activation, 1);
  }

  override sum(a: Feature, b: Feature, name: string, activation: Activation): Feature {
    return this.#activated(this.add("Add", [a.name, b.name], `${name}.add`), a.shape, activation, a.power + b.power);
  }

  override globalPool(x: Feature, name: string): Feature {
    const power = this.pooledPower(x);
    const scheme = this.#schemeOf("relu", power);
    const pooled = this.#requantised(this.add("GlobalAveragePool", [x.name], `${name}.pool`), x.shape, power, scheme);
    const flat = this.add("Flatten", [pooled.name], `${name}.flat`, { axis: { int: 1 } });
    return this.#requantised(flat, [x.shape[0]!], power, scheme);
  }

  override dense(x: Feature, name: string, { outputs, activation = "none" }: DenseSpec): Feature {
    const [inputs] = x.shape as [number];
    const parameters = this.#parameters(x, name, [outputs, inputs], inputs);
    const gemm = this.add("Gemm", [x.name, ...parameters], `${name}.gemm`, { transB: { int: 1 } });
    return this.#activated(gemm, [outputs], activation, 1);
  }

  #schemeOf(activation: Activation, power: number): Scheme {
    if (activation !== "none") return { scale: activationScale(power, BITS, false), zero: UNSIGNED_ZERO };
    return { scale: activationScale(power, BITS, true), zero: this.integer(-8, 8) };
  }

  #activated(x: string, shape: readonly number[], activation: Activation, power: number): Feature {
    return this.#requantised(x, shape, this.powerAfter(activation, power), this.#schemeOf(activation, power));
  }

  #requantised(x: string, shape: readonly number[], power: number, { scale, zero }: Scheme): Feature {
    const parameters = [
      this.constant(`${x}_scale`, [], () => scale),
      this.#integers(`${x}_zero_point`, "INT8", [], Int8Array.of(zero)),
    ];
    const quantised = this.add("QuantizeLinear", [x, ...parameters], `${x}_QuantizeLinear_Output`);
    const name = this.add("DequantizeLinear", [quantised, ...parameters], `${x}_DequantizeLinear_Output`);
    return { name, shape, power, scale };
  }

  /** Weight and bias, dequantised: int8 with a scale per output, int32 in units of the accumulator. */
  #parameters(x: Feature, name: string, dims: readonly number[], fanIn: number): string[] {
    const outputs = dims[0]!;
    const values = this.randomWeights(outputs * fanIn, fanIn, x.power);
    const scales = weightScales(values, outputs, BITS);
    const weights = Int8Array.from(values, (value, i) => Math.round(value / scales[Math.floor(i / fanIn)]!));
    const units = scales.map((scale) => scale * x.scale!);
    const biases = Int32Array.from(units, (unit) => Math.round((0.3 * this.normal()) / unit));
    return [
      this.#dequantised(`${name}.weight`, dims, weights, scales),
      this.#dequantised(`${name}.bias`, [outputs], biases, units),
    ];
  }

  #dequantised(
    name: string,
    dims: readonly number[],
    values: Int8Array | Int32Array,
    scales: readonly number[],
  ): string {
    const type = values instanceof Int8Array ? "INT8" : "INT32";
    const zeros = values.slice(0, scales.length).fill(0);
    let next = 0;
    const inputs = [
      this.#integers(`${name}_quantized`, type, dims, values),
      this.constant(`${name}_quantized_scale`, [scales.length], () => scales[next++]!),
      this.#integers(`${name}_quantized_zero_point`, type, [scales.length], zeros),
    ];
    return this.add("DequantizeLinear", inputs, `${name}_DequantizeLinear_Output`, { axis: { int: 0 } });
  }

  #integers(name: string, type: "INT8" | "INT32", dims: readonly number[], values: Int8Array | Int32Array): string {
    this.initializers.push(writeTensor(name, type, dims, values));
    return name;
  }
}
