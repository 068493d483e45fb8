/**
 * QONNX as made from a QKeras model: channels last at the boundary with Transposes around the convolutions, weights stored as TensorFlow does,
 * scales that are powers of two, "SAME" padding, ReduceMean for the global pooling.
 */
import type { OnnxModel } from "../../import/onnx/types.ts";
import { type Activation, type ConvSpec, convGeometry, type DenseSpec, type Feature, samePads } from "../exporter.ts";
import { QonnxExporter, STREAM_BITS } from "./qonnx.ts";
import { activationScale, powerOfTwo, weightScales } from "./scales.ts";

const NHWC_TO_NCHW = { perm: { ints: [0, 3, 1, 2] } };
const NCHW_TO_NHWC = { perm: { ints: [0, 2, 3, 1] } };

export class QKerasExporter extends QonnxExporter {
  protected override readonly producer = "tf2onnx";

  override input(shape: readonly number[]): Feature {
    if (shape.length === 1)
      return this.quantised(
        this.declareInput("input", ["batch", ...shape]),
        "input_quant",
        shape,
        1,
        STREAM_BITS,
        true,
      );
    const [channels, height, width] = shape as [number, number, number];
    const input = this.declareInput("input", ["batch", height, width, channels]);
    const quantised = this.quantised(input, "input_quant", shape, 1, STREAM_BITS, true);
    return { ...quantised, name: this.add("Transpose", [quantised.name], "input_nchw", NHWC_TO_NCHW) };
  }

  override conv(x: Feature, name: string, spec: ConvSpec): Feature {
    const { weightDims, fanIn, outputShape, attributes } = convGeometry(x, spec, samePads(x, spec));
    const [outputs, inputs, kh, kw] = weightDims;
    // HWIO, depthwise HWOI: what TensorFlow stores.
    const dims = spec.depthwise ? [kh, kw, outputs, inputs] : [kh, kw, inputs, outputs];
    const perm = spec.depthwise ? [2, 3, 0, 1] : [3, 2, 0, 1];
    const quantised = this.#weight(x, name, dims, fanIn, spec.weightBits);
    const weight = this.add("Transpose", [quantised], `${name}.weight_oihw`, { perm: { ints: perm } });
    const sum = this.add("Conv", [x.name, weight], `${name}.conv`, attributes);
    return this.activated(this.batchNorm(sum, `${name}.bn`, outputs), name, outputShape, spec.activation, 1);
  }

  override sum(a: Feature, b: Feature, name: string, activation: Activation): Feature {
    const total = this.add("Add", [a.name, b.name], `${name}.add`);
    return this.activated(total, name, a.shape, activation, a.power + b.power);
  }

  override globalPool(x: Feature, name: string): Feature {
    const power = this.pooledPower(x);
    const nhwc = this.add("Transpose", [x.name], `${name}.nhwc`, NCHW_TO_NHWC);
    const mean = this.add("ReduceMean", [nhwc], `${name}.mean`, { axes: { ints: [1, 2] }, keepdims: { int: 0 } });
    return this.quantised(mean, `${name}.quant`, [x.shape[0]!], power, STREAM_BITS, false);
  }

  override dense(x: Feature, name: string, { outputs, activation, weightBits }: DenseSpec): Feature {
    const [inputs] = x.shape as [number];
    const weight = this.#weight(x, name, [inputs, outputs], inputs, weightBits);
    const product = this.add("MatMul", [x.name, weight], `${name}.matmul`);
    if (activation !== undefined)
      return this.activated(this.batchNorm(product, `${name}.bn`, outputs), name, [outputs], activation, 1);
    const bias = this.constant(`${name}.bias`, [outputs], () => 0.1 * this.normal());
    const biasScale = activationScale(1, STREAM_BITS, true);
    const sum = this.add(
      "Add",
      [product, this.#quant(bias, `${name}.bias_quant`, biasScale, STREAM_BITS, true)],
      `${name}.add`,
    );
    return { name: sum, shape: [outputs], power: 1 };
  }

  protected override quantised(
    x: string,
    name: string,
    shape: readonly number[],
    power: number,
    bits: number,
    signed: boolean,
  ): Feature {
    const scale = powerOfTwo(activationScale(power, bits, signed));
    return { name: this.#quant(x, name, scale, bits, signed), shape, power, scale };
  }

  #weight(x: Feature, name: string, dims: readonly number[], fanIn: number, bits = this.bits.weights): string {
    const count = dims.reduce((a, b) => a * b);
    const values = this.randomWeights(count, fanIn, x.power);
    const [scale] = weightScales(values, 1, bits);
    return this.#quant(this.initializer(`${name}.kernel`, dims, values), `${name}.kernel_quant`, scale!, bits, true);
  }

  /** A quantiser whose scale is the power of two at or below `scale`. */
  #quant(x: string, y: string, scale: number, bits: number, signed: boolean): string {
    const scalar = (key: string, value: number) => this.constant(`${y}.${key}`, [], () => value);
    const parameters = [x, scalar("scale", powerOfTwo(scale))];
    if (bits === 1 && signed) return this.add("BipolarQuant", parameters, y);
    return this.add("Quant", [...parameters, scalar("zero", 0), scalar("bits", bits)], y, {
      narrow: { int: 0 },
      rounding_mode: { string: "ROUND" },
      signed: { int: signed ? 1 : 0 },
    });
  }

  override finish(last: Feature, name: string, classifies: boolean): OnnxModel {
    if (!classifies) return super.finish(last, name, classifies);
    const softmax = this.add("Softmax", [last.name], "softmax", { axis: { int: -1 } });
    return super.finish({ ...last, name: softmax }, name, classifies);
  }
}
