/** A float model as `torch.onnx.export` writes one whose batch norms were not folded. */
import {
  type Activation,
  type ConvSpec,
  convGeometry,
  type DenseSpec,
  Exporter,
  type Feature,
  torchPads,
} from "../exporter.ts";

export class FloatExporter extends Exporter {
  override input(shape: readonly number[]): Feature {
    return { name: this.declareInput("input", ["batch", ...shape]), shape, power: 1 };
  }

  override conv(x: Feature, name: string, spec: ConvSpec): Feature {
    const { weightDims, fanIn, outputShape, attributes } = convGeometry(x, spec, torchPads(spec));
    const values = this.randomWeights(
      weightDims.reduce((a, b) => a * b),
      fanIn,
      x.power,
    );
    const weight = this.initializer(`${name}.weight`, weightDims, values);
    const sum = this.add("Conv", [x.name, weight], `${name}.conv`, attributes);
    return this.#activate(this.batchNorm(sum, `${name}.bn`, spec.outputs), name, outputShape, spec.activation);
  }

  override sum(a: Feature, b: Feature, name: string, activation: Activation): Feature {
    const total = this.add("Add", [a.name, b.name], `${name}.add`);
    return this.#activate(total, name, a.shape, activation, a.power + b.power);
  }

  override globalPool(x: Feature, name: string): Feature {
    const pooled = this.add("GlobalAveragePool", [x.name], `${name}.pool`);
    const flat = this.add("Flatten", [pooled], `${name}.flat`, { axis: { int: 1 } });
    return { name: flat, shape: [x.shape[0]!], power: this.pooledPower(x) };
  }

  override dense(x: Feature, name: string, { outputs, activation }: DenseSpec): Feature {
    const [inputs] = x.shape as [number];
    const weight = this.initializer(
      `${name}.weight`,
      [outputs, inputs],
      this.randomWeights(outputs * inputs, inputs, x.power),
    );
    const bias = this.constant(`${name}.bias`, [outputs], () => 0.1 * this.normal());
    const gemm = { alpha: { float: 1 }, beta: { float: 1 }, transB: { int: 1 } };
    const sum = this.add("Gemm", [x.name, weight, bias], `${name}.gemm`, gemm);
    if (activation === undefined) return { name: sum, shape: [outputs], power: 1 };
    return this.#activate(this.batchNorm(sum, `${name}.bn`, outputs), name, [outputs], activation);
  }

  #activate(x: string, name: string, shape: readonly number[], activation: Activation, power = 1): Feature {
    const out = { shape, power: this.powerAfter(activation, power) };
    if (activation === "none") return { ...out, name: x };
    if (activation === "relu") return { ...out, name: this.add("Relu", [x], `${name}.relu`) };
    const bounds = [0, 6].map((bound, i) => this.constant(`${name}.clip.${i}`, [], () => bound));
    return { ...out, name: this.add("Clip", [x, ...bounds], `${name}.relu6`) };
  }
}
