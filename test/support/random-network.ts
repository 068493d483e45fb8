/**
 * Random quantised networks as QONNX, edge-only: what the compiler must take, drawn from a grammar of layers that keeps shapes valid.
 * The same seed gives the same network on every machine.
 */
import { floats, int64s, model, node, value } from "../../src/import/onnx/build.ts";
import { writeTensor } from "../../src/import/onnx/tensor.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/import/onnx/types.ts";
import { randomFrom } from "./random.ts";

export interface NetworkShape {
  readonly seed: number;
  /** Layers between input and classifier. */
  readonly depth: number;
  /** Scales that are powers of two, so that float32 runtimes agree to the bit; otherwise any. */
  readonly exact: boolean;
}

/** A quantised tensor on the way through the network. */
interface Stream {
  readonly name: string;
  readonly shape: readonly [number, number, number];
  readonly scale: number;
}

export const PIXEL_STEP = 2 ** -5;
const CHANNELS = [1, 2, 3, 5, 8, 16, 31, 33];
const ROUNDINGS = ["ROUND", "FLOOR", "CEIL", "HALF_UP", "HALF_DOWN", "UP", "DOWN", "ROUND_TO_ZERO"];

class Drawing {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #random: () => number;
  #names = 0;

  constructor(readonly shape: NetworkShape) {
    this.#random = randomFrom(shape.seed);
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  scale(exponent: number): number {
    return this.shape.exact ? 2 ** exponent : 2 ** exponent * (1 + this.#random());
  }

  fresh(what: string): string {
    return `${what}_${this.#names++}`;
  }

  constant(dims: readonly number[], of: (index: number) => number): string {
    const name = this.fresh("constant");
    const count = dims.reduce((product, dim) => product * dim, 1);
    const values = Array.from({ length: count }, (_, index) => of(index));
    this.initializers.push(floats(name, dims, values));
    return name;
  }

  ints(values: readonly number[]): string {
    const name = this.fresh("ints");
    this.initializers.push(int64s(name, values));
    return name;
  }

  op(opType: string, inputs: readonly string[], attributes = {}): string {
    const output = this.fresh(opType.toLowerCase());
    this.nodes.push(node(opType, inputs, [output], attributes));
    return output;
  }

  quant(
    x: string,
    scale: number | string,
    bits: number,
    signed: boolean,
    rounding: string,
    { narrow = false, zero = 0 } = {},
  ): string {
    const scales = typeof scale === "string" ? scale : this.constant([], () => scale);
    if (bits === 1 && signed) return this.op("BipolarQuant", [x, scales]);
    const parameters = [zero, bits].map((of) => this.constant([], () => of));
    return this.op("Quant", [x, scales, ...parameters], {
      signed: { int: signed ? 1 : 0 },
      narrow: { int: narrow ? 1 : 0 },
      rounding_mode: { string: rounding },
    });
  }

  /** Quantised weights [outputs, ...], per tensor or per output channel. */
  weights(dims: readonly number[]): string {
    const [outputs, ...others] = dims as [number, ...number[]];
    const perOutput = others.reduce((product, dim) => product * dim, 1);
    const bits = this.pick([1, 2, 3, 4, 8]);
    const exponent = -this.integer(2, 5);
    const shared = this.scale(exponent);
    const perChannel = this.chance(0.4);
    const scales = Array.from({ length: outputs }, () =>
      perChannel ? this.scale(exponent - this.integer(0, 2)) : shared,
    );
    const name = this.constant(dims, (index) => {
      const scale = scales[Math.floor(index / perOutput)]!;
      return this.integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * scale || scale;
    });
    const scale = perChannel ? this.constant([outputs, ...others.map(() => 1)], (k) => scales[k]!) : shared;
    return this.quant(name, scale, bits, true, "ROUND", { narrow: bits > 1 && this.chance(0.5) });
  }

  /** A quantiser whose levels the values of a sum over `taps` products reach. */
  activation(x: string, reach: number, bits = this.pick([1, 2, 3, 4, 8, 8, 8])): { name: string; scale: number } {
    const signed = this.chance(0.6);
    const scale = this.scale(Math.round(Math.log2((2 * reach) / 2 ** bits)));
    const source = !signed && this.chance(0.7) ? this.op("Relu", [x]) : x;
    const zero = bits >= 3 && this.chance(0.25) ? this.integer(signed ? -2 : 1, 2) : 0;
    if (bits === 8 && !this.shape.exact && this.chance(0.3))
      return { name: this.linear(source, scale, signed, zero), scale };
    const options = { narrow: bits > 1 && this.chance(0.3), zero };
    return { name: this.quant(source, scale, bits, signed || bits === 1, this.pick(ROUNDINGS), options), scale };
  }

  /** A pair of QuantizeLinear and DequantizeLinear: onnxruntime fuses those with what stands between them, and rounds in its own way. */
  linear(x: string, scale: number, signed: boolean, zero: number): string {
    const point = this.fresh("constant");
    this.initializers.push(
      signed
        ? writeTensor(point, "INT8", [], Int8Array.of(zero))
        : writeTensor(point, "UINT8", [], Uint8Array.of(zero)),
    );
    const parameters = [this.constant([], () => scale), point];
    return this.op("DequantizeLinear", [this.op("QuantizeLinear", [x, ...parameters]), ...parameters]);
  }

  /** An average of four as Brevitas writes it: the sum of 8-bit integers, whose low bits are dropped, in either version of Trunc. */
  truncated(x: string, scale: number): { name: string; scale: number } {
    const size = { ints: [2, 2] };
    const signed = this.quant(x, scale, 8, true, "ROUND");
    const average = this.op("AveragePool", [signed], { kernel_shape: size, strides: size });
    const sum = this.op("Mul", [average, this.constant([], () => 4)]);
    const drop = this.integer(1, 4);
    const older = this.chance(0.5);
    const output = older ? scale : scale * 2 ** drop;
    const parameters = older ? [scale, 0, 10, 10 - drop] : [scale, 0, 10, output, 0, 10 - drop];
    const inputs = [sum, ...parameters.map((of) => this.constant([], () => of))];
    const attributes = older ? {} : { signed: { int: 1 }, narrow: { int: 0 } };
    return {
      name: this.op("Trunc", inputs, { rounding_mode: { string: this.pick(ROUNDINGS) }, ...attributes }),
      scale: output,
    };
  }

  norm(x: string, channels: number): string {
    const parameters = [() => 0.25 + this.#random(), () => this.#random() - 0.5, () => this.#random() - 0.5].map((of) =>
      this.constant([channels], () => this.#onGrid(of())),
    );
    const variance = this.constant([channels], () => 1 - 2 ** -10);
    return this.op("BatchNormalization", [x, ...parameters, variance], { epsilon: { float: 2 ** -10 } });
  }

  /** Where float32 must agree, parameters with few bits: every product is exact. */
  #onGrid(value: number): number {
    return this.shape.exact ? Math.round(value * 16) / 16 + 1 / 64 : value;
  }

  conv(stream: Stream): Stream {
    const { name, shape } = stream;
    const [channels, height, width] = shape;
    const [kh, kw] = this.pick([
      [1, 1],
      [3, 3],
      [3, 1],
      [1, 3],
      [2, 2],
    ] as const);
    const dilation = kh * kw > 1 && this.chance(0.2) ? 2 : 1;
    const [padY, padX] = this.chance(0.6) ? [dilation * (kh >> 1), dilation * (kw >> 1)] : [0, 0];
    const stride = this.chance(0.25) ? 2 : 1;
    const outHeight = Math.floor((height + 2 * padY - dilation * (kh - 1) - 1) / stride) + 1;
    const outWidth = Math.floor((width + 2 * padX - dilation * (kw - 1) - 1) / stride) + 1;
    if (outHeight < 1 || outWidth < 1) return this.layer("pool", stream);
    const depthwise = channels > 1 && this.chance(0.3);
    const outputs = depthwise ? channels : this.pick(CHANNELS);
    const weights = this.weights([outputs, depthwise ? 1 : channels, kh, kw]);
    const inputs = [
      name,
      weights,
      ...(this.chance(0.3) ? [this.constant([outputs], () => this.integer(-8, 8) / 16)] : []),
    ];
    let y = this.op("Conv", inputs, {
      strides: { ints: [stride, stride] },
      pads: { ints: [padY, padX, padY, padX] },
      dilations: { ints: [dilation, dilation] },
      group: { int: depthwise ? channels : 1 },
    });
    if (this.chance(0.5)) y = this.norm(y, outputs);
    const taps = kh * kw * (depthwise ? 1 : channels);
    return { ...this.activation(y, 2 * Math.sqrt(taps)), shape: [outputs, outHeight, outWidth] };
  }

  layer(kind: string, stream: Stream): Stream {
    const { name, shape, scale } = stream;
    const [channels, height, width] = shape;
    switch (kind) {
      case "conv":
        return this.conv(stream);
      case "pool": {
        if (height < 2 || width < 2) return stream;
        if (this.chance(0.25)) return { ...this.truncated(name, scale), shape: [channels, height >> 1, width >> 1] };
        const size = { ints: [2, 2] };
        const type = this.pick(["MaxPool", "AveragePool"]);
        const pooled = this.op(type, [name], { kernel_shape: size, strides: size });
        const pooledShape = [channels, height >> 1, width >> 1] as const;
        if (type === "MaxPool") return { name: pooled, shape: pooledShape, scale };
        return { ...this.activation(pooled, 2, 8), shape: pooledShape };
      }
      case "add": {
        // Both sides on one scale, as exporters of residual networks make them.
        const [a, b] = [0, 1].map(() => this.quant(this.norm(name, channels), this.scale(-3), 8, true, "ROUND"));
        return { ...this.activation(this.op("Add", [a!, b!]), 2, 8), shape };
      }
      case "concat": {
        const other = this.quant(this.op("Relu", [name]), scale, 8, true, "ROUND");
        const mine = this.quant(name, scale, 8, true, "ROUND");
        return {
          name: this.op("Concat", [mine, other], { axis: { int: 1 } }),
          shape: [2 * channels, height, width],
          scale,
        };
      }
      case "slice": {
        if (channels < 2) return stream;
        const [from, to] = [this.ints([1]), this.ints([channels])];
        return {
          name: this.op("Slice", [name, from, to, this.ints([1])]),
          shape: [channels - 1, height, width],
          scale,
        };
      }
      case "pad": {
        const pads = this.ints([0, 0, 1, 0, 0, 0, 0, 1]);
        const padded = this.op("Pad", [name, pads, this.constant([], () => 0)]);
        return { name: padded, shape: [channels, height + 1, width + 1], scale };
      }
      default: {
        const bent = this.op("Clip", [name, this.constant([], () => -scale), this.constant([], () => 4 * scale)]);
        return { ...this.activation(bent, 4, 8), shape };
      }
    }
  }
}

const KINDS = ["conv", "conv", "conv", "pool", "add", "concat", "slice", "pad", "clip"];

/** A network of one image input and a vector of logits. */
export function randomNetwork(shape: NetworkShape): { model: OnnxModel; input: readonly [number, number, number] } {
  const d = new Drawing(shape);
  const input = [d.pick([1, 2, 3]), d.integer(3, 9), d.integer(3, 9)] as const;
  let stream: Stream = { name: d.quant("image", PIXEL_STEP, 8, true, "ROUND"), shape: input, scale: PIXEL_STEP };
  for (let i = 0; i < shape.depth; i++) stream = d.layer(i === 0 ? "conv" : d.pick(KINDS), stream);
  const features = stream.shape.reduce((a, b) => a * b);
  const classes = d.integer(2, 12);
  const flat = d.op("Flatten", [stream.name]);
  const logits = d.op(
    "Gemm",
    [flat, d.weights([classes, features]), d.constant([classes], () => d.integer(-8, 8) / 16)],
    {
      transB: { int: 1 },
    },
  );
  return {
    model: model({
      name: `random-${shape.seed}`,
      nodes: d.nodes,
      initializers: d.initializers,
      inputs: [value("image", ["batch", ...input])],
      outputs: [value(logits, ["batch", classes])],
    }),
    input,
  };
}
