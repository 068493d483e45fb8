/**
 * The layers that are measured: as a graph for Hedge, and with the same parameters for natural C. Each is run twice in a row, so that what goes before and
 * behind (the order of the input, the result row) does not count; the first is measured.
 */
import { emitModule } from "../../../dist/emit/module.js";
import { GraphBuilder } from "../../../dist/graph/build.js";
import { planModel } from "../../../dist/plan/planner.js";
import { randomFrom } from "../../../dist/zoo/random.js";

/** Bytes of wasm3's value stack. */
const STACK_BYTES = 2048;
/** The result row of a whole feature map takes four bytes an element. */
const MEMORY_LIMIT = 4 * 65536;
const MEASURED = "layer";
const NEXT = "next";

const random = randomFrom(1);
const integers = (count, low, high) =>
  Array.from({ length: count }, () => low + Math.floor(random() * (high - low + 1)));
const signs = (count) => Array.from({ length: count }, () => (random() < 0.5 ? -1 : 1));

/** Compiles `input -> layer -> next -> output`. */
function compile(shape, grid, layer, next = layer) {
  const builder = new GraphBuilder("layer");
  const [channels, height, width] = shape;
  let x = builder.input("input", shape, { step: 1, ...grid });
  x = layer.add(builder, x, MEASURED);
  const graph = builder.build([next.add(builder, x, NEXT)]);
  const plan = planModel(graph, { memoryLimit: MEMORY_LIMIT });
  const sample = Int8Array.from(integers(channels * height * width, grid.min, grid.max), (n) =>
    n === 0 && layer.bipolar ? 1 : n,
  );
  const job = {
    edgeWasm: emitModule(plan),
    weights: plan.weights,
    sample,
    module: {
      memoryBytes: plan.memoryBytes,
      stackBytes: STACK_BYTES,
      input: plan.input.address,
      threshold: plan.threshold,
      result: plan.result.address,
      steps: plan.steps.length,
    },
  };
  const step = plan.steps.findIndex((layers) => layers.some(({ name }) => name === MEASURED));
  const [{ macs, output, outputShape, why }] = plan.steps[step];
  return {
    job,
    step,
    macs,
    why,
    output: runInV8(job, step, { address: output.address, bytes: outputShape.reduce((a, b) => a * b) }),
    natural: { ...layer.natural, sample: layer.natural.defines.PLANES ? sample : channelsInnermost(sample, shape) },
  };
}

/** Bytes of a region behind a step. */
function runInV8({ edgeWasm, weights, sample, module }, lastStep, { address, bytes }) {
  let memory;
  const load_weights = (to, from, count) => new Uint8Array(memory.buffer).set(weights.subarray(from, from + count), to);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(edgeWasm), { hedge: { load_weights } });
  memory = exports.memory;
  new Int8Array(memory.buffer).set(sample, module.input);
  for (let step = 0; step <= lastStep; step++) exports.step(step);
  return new Uint8Array(memory.buffer, address, bytes).slice();
}

function channelsInnermost(map, [channels, height, width]) {
  const pixels = height * width;
  return map.map((_, i) => map[(i % channels) * pixels + Math.floor(i / channels)]);
}

/** Members of a struct in C one after another, which is as long as its alignment wants. */
function bytesOf(...parts) {
  const bytes = Buffer.concat(parts.map(({ buffer }) => Buffer.from(buffer)));
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)]);
}

/** Bits of +-1 values, lowest bit first. */
function packBits(count, isSet) {
  const bytes = new Uint8Array(count / 8);
  for (let i = 0; i < count; i++) if (isSet(i)) bytes[i >> 3] |= 1 << (i & 7);
  return bytes;
}

/** Bits of filters [outputs, channels, 3, 3] in the order [outputs, 3, 3, channels]. */
function packFilters(weights, channels, isSet) {
  return packBits(weights.length, (i) => {
    const [c, tap, k] = [i % channels, Math.floor(i / channels) % 9, Math.floor(i / (9 * channels))];
    return isSet(weights[(k * channels + c) * 9 + tap], c, k);
  });
}

const SAME = { strides: [1, 1], pads: [1, 1, 1, 1] };
const SIGN = { scale: 2, offset: -0.5, inputStep: 1 };

/** +-1 in, +-1 out: convolution and thresholds. */
function bipolarConv(channels, side) {
  const weights = signs(channels * channels * 9);
  const thresholds = integers(channels, -20, 20);
  const rising = integers(channels, 0, 1);
  return {
    bipolar: true,
    add(builder, x, name) {
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const t = builder.constant(`${name}.thresholds`, [channels, 1], thresholds);
      const sum = builder.node("conv", [x, w], `${name}.conv`, { ...SAME, padValue: -1 });
      return builder.node("threshold", [sum, t], name, { ...SIGN, rising });
    },
    natural: {
      source: "binary-conv.c",
      defines: { CHANNELS: channels, SIDE: side, STREAM: 0 },
      // A falling channel has its weights negated: -n - 1 >= t is -n >= t + 1.
      weights: bytesOf(
        Int16Array.from(thresholds, (t, k) => (rising[k] ? t : t + 1)),
        packFilters(weights, channels, (w, _, k) => w > 0 === (rising[k] === 1)),
      ),
    },
  };
}

/** A layer of a binarized residual network: 8 bits in, thresholds, convolution, alpha, shortcut, 8 bits out. */
function residualConv(channels, side) {
  const weights = signs(channels * channels * 9);
  const thresholds = integers(channels, -40, 40);
  const rising = integers(channels, 0, 1);
  const alpha = integers(channels, 1, 255);
  const SHIFT = 10;
  return {
    add(builder, x, name) {
      const t = builder.constant(`${name}.thresholds`, [channels, 1], thresholds);
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const a = builder.constant(
        `${name}.alpha`,
        [channels, 1, 1],
        alpha.map((n) => n * 2 ** -SHIFT),
      );
      const bits = builder.node("threshold", [x, t], `${name}.bits`, { ...SIGN, rising });
      const sum = builder.node("conv", [bits, w], `${name}.conv`, { ...SAME, padValue: -1 });
      const scaled = builder.node("mul", [sum, a], `${name}.scaled`);
      const added = builder.node("add", [scaled, x], `${name}.added`);
      return builder.node("quant", [added], name, quant8(1));
    },
    natural: {
      source: "binary-conv.c",
      defines: { CHANNELS: channels, SIDE: side, STREAM: 1, SHIFT },
      // A falling channel's bit, n < -t, is kept inverted, and so are its weights and its padding.
      weights: bytesOf(
        Int32Array.from(alpha),
        Int16Array.from(thresholds, (t, c) => (rising[c] ? t : -t)),
        packBits(channels, (c) => rising[c] === 0),
        packFilters(weights, channels, (w, c) => w > 0 === (rising[c] === 1)),
      ),
    },
  };
}

const quant8 = (scale) => ({ bits: 8, signed: 1, narrow: 0, rounding: "FLOOR", scale, zero: 0 });

/** Levels of `bits` bits in and out, weights of as many: convolution and requantisation. */
function levelConv(bits, channels, side) {
  const high = 2 ** bits - 1;
  const weights = integers(channels * channels * 9, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1);
  const multiplier = integers(channels, 16, 255);
  const SHIFT = 10 + bits;
  const offset = integers(channels, 0, high * 2 ** SHIFT);
  return {
    add(builder, x, name) {
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const m = builder.constant(`${name}.multiplier`, [channels], multiplier);
      const o = builder.constant(`${name}.offset`, [channels], offset);
      const sum = builder.node("conv", [x, w], `${name}.conv`, { ...SAME, padValue: 0 });
      const target = { shift: SHIFT, rounding: "FLOOR", low: 0, high, zero: 0, scale: 1 };
      return builder.node("requant", [sum, m, o], name, target);
    },
    natural: convParameters(
      { CHANNELS: channels, OUTPUTS: channels, SIDE: side, PLANES: 0, SHIFT, LOW: 0, HIGH: high },
      weights,
      multiplier,
      offset,
    ),
  };
}

/** The first layer of an image network: 8-bit pixels, 8-bit weights, 8 bits out. */
function firstConv(channels, outputs, side) {
  const weights = integers(outputs * channels * 9, -127, 127);
  const bias = integers(outputs, -20000, 20000);
  const SHIFT = 9;
  return {
    add(builder, x, name) {
      const w = builder.constant(
        `${name}.weights`,
        [outputs, channels, 3, 3],
        weights.map((n) => n * 2 ** -SHIFT),
      );
      const b = builder.constant(
        `${name}.bias`,
        [outputs],
        bias.map((n) => n * 2 ** -SHIFT),
      );
      const image = builder.node("quant", [x], `${name}.image`, { ...quant8(1), rounding: "ROUND" });
      const sum = builder.node("conv", [image, w, b], `${name}.conv`, { ...SAME, padValue: 0 });
      return builder.node("quant", [sum], name, quant8(1));
    },
    natural: convParameters(
      { CHANNELS: channels, OUTPUTS: outputs, SIDE: side, PLANES: 1, SHIFT, LOW: -128, HIGH: 127 },
      weights,
      undefined,
      bias,
    ),
  };
}

/** @param multiplier undefined: there is none */
function convParameters(defines, weights, multiplier, offset) {
  const { CHANNELS: channels } = defines;
  const filters = Int8Array.from(weights, (_, i) => {
    const [c, tap, k] = [i % channels, Math.floor(i / channels) % 9, Math.floor(i / (9 * channels))];
    return weights[(k * channels + c) * 9 + tap];
  });
  return {
    source: "conv.c",
    defines: { ...defines, SCALED: multiplier ? 1 : 0 },
    weights: bytesOf(...(multiplier ? [Int32Array.from(multiplier)] : []), Int32Array.from(offset), filters),
  };
}

/** A 16x16 map of +-1. */
export const binary = (channels) => compile([channels, 16, 16], { min: -1, max: 1 }, bipolarConv(channels, 16));
/** A 16x16 map of 8 bits. */
export const residual = (channels) => compile([channels, 16, 16], { min: -128, max: 127 }, residualConv(channels, 16));
/** A 16x16 map of levels. */
export const levels = (bits) => compile([32, 16, 16], { min: 0, max: 2 ** bits - 1 }, levelConv(bits, 32, 16));
/** A 32x32 image. */
export const first = () => compile([3, 32, 32], { min: -128, max: 127 }, firstConv(3, 16, 32), residualConv(16, 32));
