/** Random hybrid models in QONNX, for holding the compiled module to the reference over many shapes. */
import { floats, int64s, model, node, value } from "../../src/import/onnx/build.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/import/onnx/types.ts";

export interface BinaryLayer {
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  /** Same padding (kernel / 2) with this value; undefined: no padding. */
  readonly padValue?: 1 | -1 | undefined;
  readonly shortcut: "identity" | "pooled" | "none";
}

export interface HybridShape {
  readonly input: readonly [number, number, number];
  readonly first: {
    readonly outputs: number;
    readonly kernel: number;
    readonly stride: number;
    readonly padded: boolean;
  };
  readonly layers: readonly BinaryLayer[];
  readonly exitWindow: number;
  readonly classes: number;
  readonly payloadBits: 1 | 2 | 4 | 8;
}

/** A deterministic stream of random numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const STREAM_STEP = 0.5;
const EPSILON = 2 ** -10;

/** Writes the model of a shape with random parameters; the cloud part is a global pool and a classifier. */
export function hybridModel(shape: HybridShape, seed = 1): OnnxModel {
  const random = randomFrom(seed);
  const integer = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const list = (count: number, make: () => number): number[] => Array.from({ length: count }, make);
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const constant = (name: string, dims: readonly number[], values: readonly number[]): string => {
    initializers.push(floats(name, dims, values));
    return name;
  };
  const quant = (x: string, y: string, scale: number, bits: number, signed: boolean, rounding: string): string => {
    const parameters = [
      constant(`${y}.scale`, [], [scale]),
      constant(`${y}.zero`, [], [0]),
      constant(`${y}.bits`, [], [bits]),
    ];
    nodes.push(
      node("Quant", [x, ...parameters], [y], {
        signed: { int: signed ? 1 : 0 },
        narrow: { int: 0 },
        rounding_mode: { string: rounding },
      }),
    );
    return y;
  };
  const bipolar = (x: string, y: string): string => {
    nodes.push(node("BipolarQuant", [x, constant(`${y}.scale`, [], [1])], [y]));
    return y;
  };
  // Crossings lie half-way between the stream's integers, so that no rounding decides a level.
  const batchNorm = (x: string, y: string, channels: number): string => {
    const gamma = list(channels, () => (random() < 0.3 ? -1 : 1) / (STREAM_STEP * integer(1, 40)));
    const mean = list(channels, () => (integer(-140, 140) + 0.5) * STREAM_STEP);
    const parameters = [
      constant(`${y}.gamma`, [channels], gamma),
      constant(
        `${y}.beta`,
        [channels],
        list(channels, () => 0),
      ),
      constant(`${y}.mean`, [channels], mean),
      constant(
        `${y}.variance`,
        [channels],
        list(channels, () => 1 - EPSILON),
      ),
    ];
    nodes.push(node("BatchNormalization", [x, ...parameters], [y], { epsilon: { float: EPSILON } }));
    return y;
  };

  const [inChannels, inHeight, inWidth] = shape.input;
  const { first } = shape;
  const firstPad = first.padded ? Math.floor(first.kernel / 2) : 0;
  const image = quant("image", "image_q", 2 ** -6, 8, true, "ROUND");
  const firstWeights = list(first.outputs * inChannels * first.kernel ** 2, () => integer(-127, 127) * 2 ** -8);
  const weights = quant(
    constant("first.weight", [first.outputs, inChannels, first.kernel, first.kernel], firstWeights),
    "first.weight_q",
    2 ** -8,
    8,
    true,
    "ROUND",
  );
  const bias = constant(
    "first.bias",
    [first.outputs],
    list(first.outputs, () => integer(-30000, 30000) * 2 ** -14),
  );
  nodes.push(
    node("Conv", [image, weights, bias], ["first.conv"], {
      strides: { ints: [first.stride, first.stride] },
      pads: { ints: [firstPad, firstPad, firstPad, firstPad] },
    }),
  );
  let stream = quant("first.conv", "stream.0", STREAM_STEP, 8, true, "FLOOR");
  let channels = first.outputs;
  let height = Math.floor((inHeight + 2 * firstPad - first.kernel) / first.stride) + 1;
  let width = Math.floor((inWidth + 2 * firstPad - first.kernel) / first.stride) + 1;

  shape.layers.forEach((layer, index) => {
    const p = `layer.${index}`;
    const [kh, kw] = layer.kernel;
    let bits = bipolar(batchNorm(stream, `${p}.norm`, channels), `${p}.sign`);
    const [padY, padX] = layer.padValue === undefined ? [0, 0] : [Math.floor(kh / 2), Math.floor(kw / 2)];
    if (layer.padValue !== undefined) {
      initializers.push(int64s(`${p}.pads`, [0, 0, padY, padX, 0, 0, padY, padX]));
      nodes.push(node("Pad", [bits, `${p}.pads`, constant(`${p}.padValue`, [], [layer.padValue])], [`${p}.pad`]));
      bits = `${p}.pad`;
    }
    const count = layer.outputs * channels * kh * kw;
    const signs = bipolar(
      constant(
        `${p}.weight`,
        [layer.outputs, channels, kh, kw],
        list(count, () => (random() < 0.5 ? 1 : -1)),
      ),
      `${p}.weight_b`,
    );
    nodes.push(node("Conv", [bits, signs], [`${p}.conv`], { strides: { ints: [layer.stride, layer.stride] } }));
    const exponent = integer(6, 11);
    const alpha = constant(
      `${p}.alpha`,
      [1, layer.outputs, 1, 1],
      list(layer.outputs, () => integer(1, 255) * 2 ** -exponent),
    );
    nodes.push(node("Mul", [`${p}.conv`, alpha], [`${p}.scaled`]));
    let sum = `${p}.scaled`;
    if (layer.shortcut !== "none") {
      let shortcut = stream;
      if (layer.shortcut === "pooled") {
        nodes.push(
          node("AveragePool", [stream], [`${p}.pooled`], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }),
        );
        shortcut = `${p}.pooled`;
        if (layer.outputs > channels) {
          initializers.push(int64s(`${p}.more`, [0, 0, 0, 0, 0, layer.outputs - channels, 0, 0]));
          nodes.push(node("Pad", [shortcut, `${p}.more`], [`${p}.wider`]));
          shortcut = `${p}.wider`;
        }
      }
      nodes.push(node("Add", random() < 0.5 ? [sum, shortcut] : [shortcut, sum], [`${p}.sum`]));
      sum = `${p}.sum`;
    }
    stream = quant(sum, `stream.${index + 1}`, STREAM_STEP, 8, true, "FLOOR");
    channels = layer.outputs;
    height = Math.floor((height + 2 * padY - kh) / layer.stride) + 1;
    width = Math.floor((width + 2 * padX - kw) / layer.stride) + 1;
  });

  const { exitWindow: w, classes } = shape;
  const shift = constant(
    "exit.shift",
    [1, channels, 1, 1],
    list(channels, () => integer(-100, 100) * STREAM_STEP),
  );
  nodes.push(node("Sub", [stream, shift], ["exit.shifted"]), node("Relu", ["exit.shifted"], ["exit.relu"]));
  nodes.push(
    node("AveragePool", ["exit.relu"], ["exit.pool"], { kernel_shape: { ints: [w, w] }, strides: { ints: [w, w] } }),
  );
  quant("exit.pool", "exit.pool_q", STREAM_STEP / 2, 8, false, "FLOOR");
  nodes.push(node("Flatten", ["exit.pool_q"], ["exit.flat"]));
  const features = channels * Math.floor(height / w) * Math.floor(width / w);
  const exitWeights = list(classes * features, () => integer(-127, 127) * 2 ** -9);
  quant(constant("exit.weight", [classes, features], exitWeights), "exit.weight_q", 2 ** -9, 8, true, "ROUND");
  const exitBias = constant(
    "exit.bias",
    [classes],
    list(classes, () => integer(-5000, 5000) * 2 ** -11),
  );
  nodes.push(node("Gemm", ["exit.flat", "exit.weight_q", exitBias], ["exit_logits"], { transB: { int: 1 } }));

  if (shape.payloadBits === 8) nodes.push(node("Identity", [stream], ["payload"]));
  else if (shape.payloadBits === 1) bipolar(batchNorm(stream, "payload.norm", channels), "payload");
  else quant(batchNorm(stream, "payload.norm", channels), "payload", 1, shape.payloadBits, true, "FLOOR");

  nodes.push(node("GlobalAveragePool", ["payload"], ["cloud.pool"]), node("Flatten", ["cloud.pool"], ["cloud.flat"]));
  const cloudWeight = constant(
    "cloud.weight",
    [classes, channels],
    list(classes * channels, () => random() - 0.5),
  );
  nodes.push(node("Gemm", ["cloud.flat", cloudWeight], ["logits"], { transB: { int: 1 } }));
  return model({
    name: "random-hybrid",
    nodes,
    initializers,
    inputs: [value("image", ["batch", ...shape.input])],
    outputs: [value("exit_logits", ["batch", classes]), value("logits", ["batch", classes])],
    metadata: {
      "hedge.version": "1",
      "hedge.name": "random-hybrid",
      "hedge.cut": "payload",
      "hedge.output": "logits",
      "hedge.exits": JSON.stringify([{ name: "exit", logits: "exit_logits", rule: "entropy", threshold: 0.5 }]),
      "hedge.classes": JSON.stringify(Array.from({ length: classes }, (_, k) => `class ${k}`)),
      "hedge.input": JSON.stringify({ name: "image", pixelZero: 128, pixelStep: 2 ** -6 }),
    },
  });
}

/** A random image: signed bytes, [channels, height, width]. */
export function randomImage(shape: HybridShape, seed: number): Int8Array {
  const random = randomFrom(seed);
  return Int8Array.from({ length: shape.input.reduce((a, b) => a * b) }, () => Math.floor(random() * 256) - 128);
}
