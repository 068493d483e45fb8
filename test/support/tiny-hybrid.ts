/**
 * A small hybrid model with random weights, of the form that tools/train exports: QONNX, an edge part on power-of-two grids with one
 * exit, a payload of 1, 2, 4 or 8 bits, and a cloud part. Decision thresholds lie half way between integers of the incoming grid, as
 * far from rounding trouble as they can.
 */
import { floats, int64s, model, node, value } from "../../src/import/onnx/build.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/import/onnx/types.ts";

export interface TinyOptions {
  readonly bits?: 1 | 2 | 4 | 8;
  readonly seed?: number;
  /** Image side; a multiple of 8. */
  readonly side?: number;
  readonly channels?: number;
  readonly threshold?: number;
  readonly name?: string;
}

const CLASSES = ["ant", "bee", "cow", "dog"];
/** What a stream's integer is worth. */
const STREAM = 2 ** -4;

/** Numbers in [0, 1) that are the same on every machine (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random images as models take them: `count` of 3 * side * side 8-bit integers, smooth enough that not all look alike. */
export function randomImages(count: number, side: number, seed: number): Int8Array[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    const [fx, fy, contrast] = [random() * 3, random() * 3, 20 + random() * 90];
    return Int8Array.from({ length: 3 * side * side }, (_, i) => {
      const [x, y] = [i % side, Math.floor(i / side) % side];
      return Math.round(contrast * Math.sin((fx * x + fy * y) / 2) + 20 * (random() - 0.5));
    });
  });
}

class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly random: () => number;
  constructor(seed: number) {
    this.random = randomNumbers(seed);
  }

  constant(name: string, dims: readonly number[], of: (i: number) => number): string {
    const count = dims.reduce((product, dim) => product * dim, 1);
    this.initializers.push(
      floats(
        name,
        dims,
        Array.from({ length: count }, (_, i) => of(i)),
      ),
    );
    return name;
  }

  /** A random integer from `low` to `high`. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  scalar(name: string, of: number): string {
    return this.constant(name, [], () => of);
  }

  add(opType: string, inputs: readonly string[], output: string, attributes = {}): string {
    this.nodes.push(node(opType, inputs, [output], attributes));
    return output;
  }

  quant(x: string, output: string, step: number, bits: number, signed: 0 | 1, narrow: 0 | 1, mode: string): string {
    const parameters = [step, 0, bits].map((of, i) => this.scalar(`${output}.p${i}`, of));
    const attributes = { signed: { int: signed }, narrow: { int: narrow }, rounding_mode: { string: mode } };
    return this.add("Quant", [x, ...parameters], output, attributes);
  }

  bipolar(x: string, output: string): string {
    return this.add("BipolarQuant", [x, this.scalar(`${output}.one`, 1)], output);
  }

  /** Batch norm with the slope `gamma` that crosses zero half way between two integers of the stream. */
  norm(x: string, output: string, channels: number, gamma: () => number): string {
    const mean = () => (this.integer(-12, 12) + 0.5) * STREAM;
    const inputs = [
      this.constant(`${output}.gamma`, [channels], gamma),
      this.constant(`${output}.beta`, [channels], () => 0),
      this.constant(`${output}.mean`, [channels], mean),
      this.constant(`${output}.var`, [channels], () => 1),
    ];
    return this.add("BatchNormalization", [x, ...inputs], output, { epsilon: { float: 0 } });
  }
}

/** An edge layer: batch norm -> sign -> binary conv -> scale, its shortcut added, back onto the stream's grid. */
function edgeLayer(
  b: Builder,
  h: string,
  name: string,
  inputs: number,
  outputs: number,
  stride: 1 | 2,
  to: string,
): string {
  b.norm(h, `${name}.norm`, inputs, () => (b.random() < 0.3 ? -1 : 1));
  b.bipolar(`${name}.norm`, `${name}.sign`);
  b.initializers.push(int64s(`${name}.border`, [0, 0, 1, 1, 0, 0, 1, 1]));
  b.add("Pad", [`${name}.sign`, `${name}.border`, b.scalar(`${name}.minus`, -1)], `${name}.pad`);
  b.constant(`${name}.weight`, [outputs, inputs, 3, 3], () => (b.random() < 0.5 ? -1 : 1));
  b.bipolar(`${name}.weight`, `${name}.weight_b`);
  b.add("Conv", [`${name}.pad`, `${name}.weight_b`], `${name}.conv`, {
    kernel_shape: { ints: [3, 3] },
    strides: { ints: [stride, stride] },
    pads: { ints: [0, 0, 0, 0] },
  });
  const alphaStep = 2 ** -8;
  b.constant(`${name}.alpha`, [1, outputs, 1, 1], () => b.integer(1, 60) * alphaStep);
  b.quant(`${name}.alpha`, `${name}.alpha_q`, alphaStep, 8, 0, 0, "ROUND");
  b.add("Mul", [`${name}.conv`, `${name}.alpha_q`], `${name}.scaled`);
  let shortcut = h;
  if (stride === 2) {
    const window = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } };
    b.add("AveragePool", [h], `${name}.pooled`, window);
    b.initializers.push(int64s(`${name}.behind`, [0, 0, 0, 0, 0, outputs - inputs, 0, 0]));
    shortcut = b.add("Pad", [`${name}.pooled`, `${name}.behind`, b.scalar(`${name}.zero`, 0)], `${name}.shortcut`);
  }
  b.add("Add", [`${name}.scaled`, shortcut], `${name}.sum`);
  return b.quant(`${name}.sum`, to, STREAM, 8, 1, 0, "FLOOR");
}

/** The exit: relu(h - shift) -> average pool -> 8 bits -> fully connected with 8-bit weights. */
function exit(b: Builder, h: string, channels: number, side: number): void {
  b.constant("exit.shift", [1, channels, 1, 1], () => b.integer(-10, 10) * STREAM);
  b.add("Sub", [h, "exit.shift"], "exit.shifted");
  b.add("Relu", ["exit.shifted"], "exit.relu");
  const window = { kernel_shape: { ints: [4, 4] }, strides: { ints: [4, 4] } };
  b.add("AveragePool", ["exit.relu"], "exit.pool", window);
  b.quant("exit.pool", "exit.pool_q", 2 ** -6, 8, 0, 0, "FLOOR");
  b.add("Flatten", ["exit.pool_q"], "exit.flat");
  const features = channels * (side / 4) ** 2;
  b.constant("exit.weight", [CLASSES.length, features], () => b.integer(-60, 60) * 2 ** -8);
  b.quant("exit.weight", "exit.weight_q", 2 ** -8, 8, 1, 1, "ROUND");
  b.constant("exit.bias", [CLASSES.length], () => b.integer(-5000, 5000) * 2 ** -14);
  b.add("Gemm", ["exit.flat", "exit.weight_q", "exit.bias"], "exit_logits", { transB: { int: 1 } });
}

const PAYLOAD_STEP = { 2: 1, 4: 0.375 } as const;

/** The payload of `bits` bits, and the input of the cloud part that goes with it. */
function payload(b: Builder, h: string, channels: number, bits: 1 | 2 | 4 | 8): string {
  if (bits === 8) {
    b.add("Identity", [h], "payload");
    return b.norm("payload", "cloud.norm0", channels, () => 1);
  }
  // A slope at which the quantiser's other thresholds lie half way between integers, too.
  const slope = bits === 4 ? 0.375 / STREAM : 1;
  b.norm(h, "payload.norm", channels, () => (b.random() < 0.5 ? -slope : slope));
  if (bits === 1) return b.bipolar("payload.norm", "payload");
  b.quant("payload.norm", "payload", PAYLOAD_STEP[bits], bits, 1, 0, "FLOOR");
  return b.add("Add", ["payload", b.scalar("cloud.half", PAYLOAD_STEP[bits] / 2)], "cloud.centred");
}

export function tinyHybrid(options: TinyOptions = {}): OnnxModel {
  const { bits = 2, seed = 1, side = 16, channels = 8, threshold = 1.2, name = `tiny-${bits}bit` } = options;
  const b = new Builder(seed);
  b.quant("image", "image_q", 2 ** -6, 8, 1, 0, "ROUND");
  b.constant("first.weight", [channels, 3, 3, 3], () => b.integer(-40, 40) * 2 ** -7);
  b.quant("first.weight", "first.weight_q", 2 ** -7, 8, 1, 1, "ROUND");
  b.constant("first.bias", [channels], () => b.integer(-3000, 3000) * 2 ** -13);
  const padded = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } };
  b.add("Conv", ["image_q", "first.weight_q", "first.bias"], "first.conv", padded);
  let h = b.quant("first.conv", "stream.0", STREAM, 8, 1, 0, "FLOOR");
  h = edgeLayer(b, h, "edge.0.1", channels, channels, 1, "stream.1");
  h = edgeLayer(b, h, "edge.0.2", channels, 2 * channels, 2, "stream.2");
  const wide = 2 * channels;
  exit(b, h, wide, side / 2);
  const x = payload(b, h, wide, bits);
  b.constant("cloud.weight", [wide, wide, 3, 3], () => (b.random() - 0.5) / 4);
  b.add("Conv", [x, "cloud.weight"], "cloud.conv", padded);
  b.norm("cloud.conv", "cloud.norm", wide, () => 0.5 + b.random());
  b.add("Relu", ["cloud.norm"], "cloud.relu");
  b.add("GlobalAveragePool", ["cloud.relu"], "cloud.pool");
  b.add("Flatten", ["cloud.pool"], "cloud.flat");
  b.constant("fc.weight", [CLASSES.length, wide], () => b.random() - 0.5);
  b.constant("fc.bias", [CLASSES.length], () => b.random() - 0.5);
  b.add("Gemm", ["cloud.flat", "fc.weight", "fc.bias"], "logits", { transB: { int: 1 } });
  const exits = [{ name: "exit", logits: "exit_logits", rule: "entropy", threshold }];
  return model({
    name,
    nodes: b.nodes,
    initializers: b.initializers,
    inputs: [value("image", ["batch", 3, side, side])],
    outputs: [value("exit_logits", ["batch", CLASSES.length]), value("logits", ["batch", CLASSES.length])],
    metadata: {
      "hedge.version": "1",
      "hedge.name": name,
      "hedge.cut": "payload",
      "hedge.output": "logits",
      "hedge.exits": JSON.stringify(exits),
      "hedge.classes": JSON.stringify(CLASSES),
      "hedge.input": JSON.stringify({ name: "image", pixelZero: 128, pixelStep: 2 ** -6 }),
    },
  });
}
