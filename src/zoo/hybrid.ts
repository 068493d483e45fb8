/**
 * Random hybrid models in QONNX, of the form that tools/train exports: an edge part on power-of-two grids with one exit, a payload of 1, 2, 4 or
 * 8 bits, and a cloud part. Decision thresholds lie half way between integers of the incoming grid, as far from rounding trouble as they can.
 */
import { model, value } from "../import/onnx/build.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { ModelWriter } from "./writer.ts";

export type PayloadBits = 1 | 2 | 4 | 8;

export interface BinaryLayer {
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  /** Same padding (kernel / 2) with this value; undefined: no padding. */
  readonly padValue?: 1 | -1 | undefined;
  /** A pooled shortcut goes with a stride of 2. */
  readonly shortcut: "identity" | "pooled" | "none";
}

/** Two 3x3 convolutions around a shortcut. */
export interface Block {
  readonly outputs: number;
  readonly stride: number;
}

export interface HybridShape {
  /** Channels, height, width. */
  readonly input: readonly [number, number, number];
  readonly first: {
    readonly outputs: number;
    readonly kernel: number;
    readonly stride: number;
    readonly padded: boolean;
  };
  readonly layers: readonly BinaryLayer[];
  readonly exitWindow: number;
  /** Residual blocks of the cloud part, behind its first convolution. */
  readonly cloudBlocks?: readonly Block[];
  readonly classes: number;
  readonly payloadBits: PayloadBits;
}

export interface HybridOptions {
  readonly seed?: number;
  readonly name?: string;
  /** Of the exit, in nats. */
  readonly threshold?: number;
}

/** A small residual network: two binarized layers, the second of which halves the map and doubles the channels. */
export function smallShape({
  bits = 2 as PayloadBits,
  channels = 8,
  /** Pixels; a multiple of 8. */
  side = 8,
} = {}): HybridShape {
  const layer = { kernel: [3, 3], padValue: -1 } as const;
  return {
    input: [3, side, side],
    first: { outputs: channels, kernel: 3, stride: 1, padded: true },
    layers: [
      { ...layer, outputs: channels, stride: 1, shortcut: "identity" },
      { ...layer, outputs: 2 * channels, stride: 2, shortcut: "pooled" },
    ],
    exitWindow: 4,
    classes: 4,
    payloadBits: bits,
  };
}

/** What an integer of an 8-bit stream is worth. */
export const STREAM_STEP = 0.5;
/** What a level of the payload is worth: with 4 bits no power of two, which a payload need not have. */
export const PAYLOAD_STEP = { 2: 1, 4: 0.375 } as const;
const EPSILON = 2 ** -10;

class HybridWriter extends ModelWriter {
  quant(x: string, y: string, scale: number, bits: number, signed: boolean, rounding: "FLOOR" | "ROUND"): string {
    const parameters = Object.entries({ scale, zero: 0, bits });
    const inputs = parameters.map(([key, of]) => this.constant(`${y}.${key}`, [], () => of));
    return this.add("Quant", [x, ...inputs], y, {
      signed: { int: signed ? 1 : 0 },
      narrow: { int: 0 },
      rounding_mode: { string: rounding },
    });
  }

  bipolar(x: string, y: string): string {
    return this.add("BipolarQuant", [x, this.constant(`${y}.scale`, [], () => 1)], y);
  }

  /** Batch norm that reaches multiples of `level` half way between the stream's integers; one mean in five is far out, never or always reached. */
  norm(x: string, y: string, channels: number, level = 1): string {
    const gamma = () => ((this.random() < 0.3 ? -1 : 1) * level) / (STREAM_STEP * this.integer(1, 8));
    const mean = () => (this.integer(-12, 12) * (this.random() < 0.2 ? 12 : 1) + 0.5) * STREAM_STEP;
    const inputs = [
      this.constant(`${y}.gamma`, [channels], gamma),
      this.constant(`${y}.beta`, [channels], () => 0),
      this.constant(`${y}.mean`, [channels], mean),
      this.constant(`${y}.variance`, [channels], () => 1 - EPSILON),
    ];
    return this.add("BatchNormalization", [x, ...inputs], y, { epsilon: { float: EPSILON } });
  }

  pool(x: string, y: string, window: number): string {
    const size = { ints: [window, window] };
    return this.add("AveragePool", [x], y, { kernel_shape: size, strides: size });
  }

  dense(x: string, y: string, weight: string, bias: string): string {
    return this.add("Gemm", [x, weight, bias], y, { transB: { int: 1 } });
  }
}

/** A feature map on the way through the network. */
interface Stream {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

function reduced(extent: number, kernel: number, stride: number, pad: number): number {
  return Math.floor((extent + 2 * pad - kernel) / stride) + 1;
}

function firstLayer(b: HybridWriter, { input: [channels, height, width], first }: HybridShape): Stream {
  const { outputs, kernel, stride, padded } = first;
  const pad = padded ? Math.floor(kernel / 2) : 0;
  const image = b.quant("image", "image_q", 2 ** -6, 8, true, "ROUND");
  b.constant("first.weight", [outputs, channels, kernel, kernel], () => b.integer(-127, 127) * 2 ** -8);
  b.quant("first.weight", "first.weight_q", 2 ** -8, 8, true, "ROUND");
  b.constant("first.bias", [outputs], () => b.integer(-30000, 30000) * 2 ** -14);
  b.add("Conv", [image, "first.weight_q", "first.bias"], "first.conv", {
    strides: { ints: [stride, stride] },
    pads: { ints: [pad, pad, pad, pad] },
  });
  return {
    name: b.quant("first.conv", "stream.0", STREAM_STEP, 8, true, "FLOOR"),
    channels: outputs,
    height: reduced(height, kernel, stride, pad),
    width: reduced(width, kernel, stride, pad),
  };
}

/** Batch norm -> sign -> binary conv -> scale, its shortcut added, back onto the stream's grid. */
function binaryLayer(b: HybridWriter, stream: Stream, layer: BinaryLayer, index: number): Stream {
  const p = `layer.${index}`;
  const { outputs, kernel, stride, padValue } = layer;
  const [kh, kw] = kernel;
  let bits = b.bipolar(b.norm(stream.name, `${p}.norm`, stream.channels), `${p}.sign`);
  const [padY, padX] = padValue === undefined ? [0, 0] : [Math.floor(kh / 2), Math.floor(kw / 2)];
  if (padValue !== undefined) {
    const border = b.shape(`${p}.border`, [0, 0, padY, padX, 0, 0, padY, padX]);
    bits = b.add("Pad", [bits, border, b.constant(`${p}.padValue`, [], () => padValue)], `${p}.pad`);
  }
  b.constant(`${p}.weight`, [outputs, stream.channels, kh, kw], () => (b.random() < 0.5 ? 1 : -1));
  const weight = b.bipolar(`${p}.weight`, `${p}.weight_b`);
  b.add("Conv", [bits, weight], `${p}.conv`, { strides: { ints: [stride, stride] } });
  const alphaStep = 2 ** -b.integer(6, 11);
  b.constant(`${p}.alpha`, [1, outputs, 1, 1], () => b.integer(1, 255) * alphaStep);
  b.quant(`${p}.alpha`, `${p}.alpha_q`, alphaStep, 8, false, "ROUND");
  let sum = b.add("Mul", [`${p}.conv`, `${p}.alpha_q`], `${p}.scaled`);
  if (layer.shortcut !== "none") {
    let shortcut = stream.name;
    if (layer.shortcut === "pooled") {
      shortcut = b.pool(shortcut, `${p}.pooled`, 2);
      if (outputs > stream.channels) shortcut = widen(b, shortcut, `${p}.wider`, outputs - stream.channels);
    }
    sum = b.add("Add", b.random() < 0.5 ? [sum, shortcut] : [shortcut, sum], `${p}.sum`);
  }
  return {
    name: b.quant(sum, `stream.${index + 1}`, STREAM_STEP, 8, true, "FLOOR"),
    channels: outputs,
    height: reduced(stream.height, kh, stride, padY),
    width: reduced(stream.width, kw, stride, padX),
  };
}

/** relu(h - shift) -> average pool -> 8 bits -> fully connected with 8-bit weights. */
function exit(b: HybridWriter, { name, channels, height, width }: Stream, { exitWindow, classes }: HybridShape): void {
  b.constant("exit.shift", [1, channels, 1, 1], () => b.integer(-12, 12) * STREAM_STEP);
  b.add("Sub", [name, "exit.shift"], "exit.shifted");
  b.add("Relu", ["exit.shifted"], "exit.relu");
  b.quant(b.pool("exit.relu", "exit.pool", exitWindow), "exit.pool_q", STREAM_STEP / 2, 8, false, "FLOOR");
  b.add("Flatten", ["exit.pool_q"], "exit.flat");
  const features = channels * Math.floor(height / exitWindow) * Math.floor(width / exitWindow);
  b.constant("exit.weight", [classes, features], () => b.integer(-127, 127) * 2 ** -9);
  b.quant("exit.weight", "exit.weight_q", 2 ** -9, 8, true, "ROUND");
  b.constant("exit.bias", [classes], () => b.integer(-5000, 5000) * 2 ** -11);
  b.dense("exit.flat", "exit_logits", "exit.weight_q", "exit.bias");
}

function payload(b: HybridWriter, { name, channels }: Stream, bits: PayloadBits): void {
  if (bits === 8) b.add("Identity", [name], "payload");
  else if (bits === 1) b.bipolar(b.norm(name, "payload.norm", channels), "payload");
  else {
    const step = PAYLOAD_STEP[bits];
    b.quant(b.norm(name, "payload.norm", channels, step), "payload", step, bits, true, "FLOOR");
  }
}

/** Behind a map of fewer channels: channels of zeros. */
function widen(b: HybridWriter, x: string, y: string, channels: number): string {
  return b.add("Pad", [x, b.shape(`${y}.pads`, [0, 0, 0, 0, 0, channels, 0, 0])], y);
}

function floatConv(b: HybridWriter, x: string, p: string, inputs: number, outputs: number, stride = 1): string {
  const reach = 1.5 / Math.sqrt(inputs);
  b.constant(`${p}.weight`, [outputs, inputs, 3, 3], () => (b.random() - 0.5) * reach);
  const attributes = { pads: { ints: [1, 1, 1, 1] }, strides: { ints: [stride, stride] } };
  return b.norm(b.add("Conv", [x, `${p}.weight`], `${p}.conv`, attributes), `${p}.norm`, outputs);
}

function cloudBlock(b: HybridWriter, x: string, p: string, inputs: number, { outputs, stride }: Block): string {
  const first = b.add("Relu", [floatConv(b, x, `${p}.1`, inputs, outputs, stride)], `${p}.relu`);
  const second = floatConv(b, first, `${p}.2`, outputs, outputs);
  let shortcut = stride > 1 ? b.pool(x, `${p}.pooled`, stride) : x;
  if (outputs > inputs) shortcut = widen(b, shortcut, `${p}.wider`, outputs - inputs);
  return b.add("Relu", [b.add("Add", [second, shortcut], `${p}.sum`)], `${p}.out`);
}

function cloud(b: HybridWriter, inputs: number, { cloudBlocks = [], classes }: HybridShape): void {
  b.norm("payload", "cloud.norm0", inputs);
  b.constant("cloud.weight", [inputs, inputs, 3, 3], () => (b.random() - 0.5) / 4);
  b.add("Conv", ["cloud.norm0", "cloud.weight"], "cloud.conv", { pads: { ints: [1, 1, 1, 1] } });
  b.norm("cloud.conv", "cloud.norm", inputs);
  let x = b.add("Relu", ["cloud.norm"], "cloud.relu");
  let channels = inputs;
  for (const [index, block] of cloudBlocks.entries()) {
    x = cloudBlock(b, x, `cloud.${index}`, channels, block);
    channels = block.outputs;
  }
  b.add("GlobalAveragePool", [x], "cloud.pool");
  b.add("Flatten", ["cloud.pool"], "cloud.flat");
  b.constant("fc.weight", [classes, channels], () => b.random() - 0.5);
  b.constant("fc.bias", [classes], () => b.random() - 0.5);
  b.dense("cloud.flat", "logits", "fc.weight", "fc.bias");
}

/** The model of a shape, with random parameters that are the same on every machine. */
export function hybridModel(shape: HybridShape, options: HybridOptions = {}): OnnxModel {
  const { seed = 1, name = "random-hybrid", threshold = 0.5 } = options;
  const b = new HybridWriter(seed);
  let stream = firstLayer(b, shape);
  shape.layers.forEach((layer, index) => {
    stream = binaryLayer(b, stream, layer, index);
  });
  exit(b, stream, shape);
  payload(b, stream, shape.payloadBits);
  cloud(b, stream.channels, shape);
  return model({
    name,
    nodes: b.nodes,
    initializers: b.initializers,
    inputs: [value("image", ["batch", ...shape.input])],
    outputs: [value("exit_logits", ["batch", shape.classes]), value("logits", ["batch", shape.classes])],
    metadata: {
      "hedge.version": "1",
      "hedge.name": name,
      "hedge.cut": "payload",
      "hedge.output": "logits",
      "hedge.exits": JSON.stringify([{ name: "exit", logits: "exit_logits", rule: "entropy", threshold }]),
      "hedge.classes": JSON.stringify(Array.from({ length: shape.classes }, (_, k) => `class ${k}`)),
      "hedge.input": JSON.stringify({ name: "image", pixelZero: 128, pixelStep: 2 ** -6 }),
    },
  });
}
