/**
 * What a network is written with. Networks say what they compute; an exporter says how a tool would write that: one flavour each.
 *
 * Random weights keep the values of every layer near a variance of one, as trained networks with batch norms do: nothing saturates, and
 * no feature map is all zero.
 */
import { model, value } from "../import/onnx/build.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { ModelWriter } from "./writer.ts";

/** A tensor of the model under construction. */
export interface Feature {
  readonly name: string;
  /** Without the batch: [channels, height, width] or [elements], whatever layout the exporter writes. */
  readonly shape: readonly number[];
  /** Mean of the squares of its values, for random weights: what the next layer's weights are scaled by. */
  readonly power: number;
  /** What an integer of its quantiser is worth, where one made it. */
  readonly scale?: number;
}

export type Activation = "relu" | "relu6" | "none";

export interface ConvSpec {
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly depthwise?: boolean;
  readonly activation: Activation;
  /** Bits of the weights where they are not the model's: 8 in a first layer. */
  readonly weightBits?: number;
}

export interface DenseSpec {
  readonly outputs: number;
  /** Batch norm and activation follow; the last layer has neither. */
  readonly activation?: Activation;
  readonly weightBits?: number;
}

export interface Bits {
  readonly weights: number;
  readonly activations: number;
}

export interface ExportOptions {
  readonly bits: Bits;
  readonly seed: number;
}

/** [top, left, bottom, right] */
export type Pads = readonly [number, number, number, number];

/** Power behind a ReLU of normal values. */
const RELU_POWER = 0.5;

export abstract class Exporter extends ModelWriter {
  readonly bits: Bits;
  protected readonly opset: number = 13;
  protected readonly producer: string = "pytorch";
  /** The model's input as it declares it: name and shape with the batch. */
  #input: { name: string; dims: (number | string)[] } | undefined;

  constructor({ bits, seed }: ExportOptions) {
    super(seed);
    this.bits = bits;
  }

  /** The model's input: [channels, height, width] or [elements], values near a variance of one. */
  abstract input(shape: readonly number[]): Feature;
  /** Convolution with "same" padding, batch norm and activation. */
  abstract conv(x: Feature, name: string, spec: ConvSpec): Feature;
  /** Sum of two features of one shape, and an activation. */
  abstract sum(a: Feature, b: Feature, name: string, activation: Activation): Feature;
  /** Average over all pixels, to a vector. */
  abstract globalPool(x: Feature, name: string): Feature;
  abstract dense(x: Feature, name: string, spec: DenseSpec): Feature;

  /**
   * The whole model.
   * @param last its output
   * @param _classifies whether that is one logit per class, behind which some tools write a Softmax
   */
  finish(last: Feature, name: string, _classifies: boolean): OnnxModel {
    this.add("Identity", [last.name], "output");
    const { name: input, dims } = this.#input!;
    const built = model({
      name,
      nodes: this.nodes,
      initializers: this.initializers,
      inputs: [value(input, dims)],
      outputs: [value("output", [dims[0]!, ...last.shape])],
    });
    return {
      ...built,
      producerName: this.producer,
      opsetImport: built.opsetImport.map((set) => (set.domain === "" ? { ...set, version: this.opset } : set)),
    };
  }

  protected declareInput(name: string, dims: (number | string)[]): string {
    this.#input = { name, dims };
    return name;
  }

  /** A number of mean 0 and variance 1 (a sum of four uniform ones), with nothing that rounds differently elsewhere. */
  protected normal(): number {
    return (this.random() + this.random() + this.random() + this.random() - 2) * Math.sqrt(3);
  }

  /** Random weights that give outputs of variance 1 from inputs of the given power. */
  protected randomWeights(count: number, fanIn: number, power: number): Float32Array {
    const deviation = 1 / Math.sqrt(fanIn * power);
    return Float32Array.from({ length: count }, () => this.normal() * deviation);
  }

  protected initializer(name: string, dims: readonly number[], values: ArrayLike<number>): string {
    let next = 0;
    return this.constant(name, dims, () => values[next++]!);
  }

  /** BatchNormalization with random parameters near the identity. */
  protected batchNorm(x: string, name: string, channels: number): string {
    const parameter = (key: string, of: () => number) => this.constant(`${name}.${key}`, [channels], of);
    const inputs = [
      parameter("weight", () => 0.5 + this.random()),
      parameter("bias", () => 0.3 * this.normal()),
      parameter("running_mean", () => 0.2 * this.normal()),
      parameter("running_var", () => 0.5 + this.random()),
    ];
    return this.add("BatchNormalization", [x, ...inputs], `${name}.out`, {
      epsilon: { float: 1e-5 },
      momentum: { float: 0.9 },
    });
  }

  /** Power of averages over many pixels: little is left but the mean. */
  protected pooledPower(x: Feature): number {
    return 0.4 * x.power;
  }

  protected powerAfter(activation: Activation, power = 1): number {
    return activation === "none" ? power : power * RELU_POWER;
  }
}

/** Shape of a convolution's weight, [outputs, inputs of a group, height, width], and the attributes of the node. */
export function convGeometry(x: Feature, spec: ConvSpec, pads: Pads) {
  const [channels, height, width] = x.shape as [number, number, number];
  const { outputs, kernel, stride, depthwise = false } = spec;
  const out = (extent: number, axis: 0 | 1) =>
    Math.floor((extent + pads[axis] + pads[axis + 2]! - kernel[axis]) / stride) + 1;
  return {
    weightDims: [outputs, depthwise ? 1 : channels, ...kernel] as const,
    fanIn: (depthwise ? 1 : channels) * kernel[0] * kernel[1],
    outputShape: [outputs, out(height, 0), out(width, 1)] as const,
    attributes: {
      dilations: { ints: [1, 1] },
      group: { int: depthwise ? channels : 1 },
      kernel_shape: { ints: [...kernel] },
      pads: { ints: [...pads] },
      strides: { ints: [stride, stride] },
    },
  };
}

/** Padding as PyTorch's users write it: (kernel - 1) / 2 on both sides, what is left over behind. */
export function torchPads({ kernel: [kh, kw] }: ConvSpec): Pads {
  const before = (kernel: number) => Math.floor((kernel - 1) / 2);
  return [before(kh), before(kw), kh - 1 - before(kh), kw - 1 - before(kw)];
}

/** TensorFlow's SAME: as much as ceil(extent / stride) outputs need, the odd one behind. */
export function samePads({ shape }: Feature, { kernel, stride }: ConvSpec): Pads {
  const total = kernel.map((k, axis) => {
    const extent = shape[axis + 1]!;
    return Math.max((Math.ceil(extent / stride) - 1) * stride + k - extent, 0);
  }) as [number, number];
  const [top, left] = [Math.floor(total[0] / 2), Math.floor(total[1] / 2)];
  return [top, left, total[0] - top, total[1] - left];
}
