/** Layers with random parameters, as nodes of a lowered graph and as the same parameters for natural C. */
import type { GraphBuilder } from "../../graph/build.ts";
import type { Grid } from "../../graph/grid.ts";
import { randomFrom } from "../../zoo/random.ts";
import { cStruct, packBits, packFilters, tapsOutermost } from "./c-data.ts";
import type { NaturalLayer } from "./natural-c.ts";

export interface LayerKind {
  /** Of the input: integers with this step. */
  readonly grid: Grid;
  /** Makes of the input what the layer reads, where that is not the input itself. */
  readonly source?: (builder: GraphBuilder, input: string) => string;
  /** Adds the layer behind tensor `x`; `name` becomes its output's. */
  readonly add: (builder: GraphBuilder, x: string, name: string) => string;
  readonly natural: Omit<NaturalLayer, "sample">;
}

const SAME_PADDING = { strides: [1, 1], pads: [1, 1, 1, 1] };
const SIGN = { scale: 2, offset: -0.5, inputStep: 1 };
const STREAM = { bits: 8, signed: 1, narrow: 0, rounding: "FLOOR", scale: 1, zero: 0 };
const STREAM_GRID = { step: 1, min: -128, max: 127 };

class Numbers {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  integers(count: number, low: number, high: number): number[] {
    return Array.from({ length: count }, () => low + Math.floor(this.#random() * (high - low + 1)));
  }

  signs(count: number): number[] {
    return this.integers(count, 0, 1).map((bit) => 2 * bit - 1);
  }
}

/** +-1 in, +-1 out: convolution and thresholds. */
export function bipolarConv(channels: number, side: number): LayerKind {
  const numbers = new Numbers(1);
  const weights = numbers.signs(channels * channels * 9);
  const thresholds = numbers.integers(channels, -20, 20);
  const rising = numbers.integers(channels, 0, 1);
  return {
    grid: { step: 1, min: -1, max: 1 },
    // The input's grid has a 0; a sign has none.
    source(builder, input) {
      const zeros = builder.constant("signs.thresholds", [channels, 1], new Array<number>(channels).fill(0));
      return builder.node("threshold", [input, zeros], "signs", {
        ...SIGN,
        rising: new Array<number>(channels).fill(1),
      });
    },
    add(builder, x, name) {
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const t = builder.constant(`${name}.thresholds`, [channels, 1], thresholds);
      const sum = builder.node("conv", [x, w], `${name}.conv`, { ...SAME_PADDING, padValue: -1 });
      return builder.node("threshold", [sum, t], name, { ...SIGN, rising });
    },
    natural: {
      source: "binary-conv.c",
      defines: { CHANNELS: channels, SIDE: side, STREAM: 0 },
      // A falling channel has its weights negated: -n - 1 >= t is -n >= t + 1.
      weights: cStruct(
        Int16Array.from(thresholds, (t, k) => (rising[k] ? t : t + 1)),
        packFilters(weights, channels, (weight, _, k) => weight > 0 === (rising[k] === 1)),
      ),
    },
  };
}

/** A layer of a binarized network with 8-bit maps: thresholds, convolution, alpha, perhaps the input added as a shortcut. */
export function binaryConv(channels: number, side: number, { shortcut }: { shortcut: boolean }): LayerKind {
  const numbers = new Numbers(2);
  const weights = numbers.signs(channels * channels * 9);
  const thresholds = numbers.integers(channels, -40, 40);
  const rising = numbers.integers(channels, 0, 1);
  const alpha = numbers.integers(channels, 1, 255);
  const shift = 10;
  return {
    grid: STREAM_GRID,
    add(builder, x, name) {
      const scales = alpha.map((n) => n * 2 ** -shift);
      const t = builder.constant(`${name}.thresholds`, [channels, 1], thresholds);
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const a = builder.constant(`${name}.alpha`, [channels, 1, 1], scales);
      const bits = builder.node("threshold", [x, t], `${name}.bits`, { ...SIGN, rising });
      const sum = builder.node("conv", [bits, w], `${name}.conv`, { ...SAME_PADDING, padValue: -1 });
      const scaled = builder.node("mul", [sum, a], `${name}.scaled`);
      const added = shortcut ? builder.node("add", [scaled, x], `${name}.added`) : scaled;
      return builder.node("quant", [added], name, STREAM);
    },
    natural: {
      source: "binary-conv.c",
      defines: { CHANNELS: channels, SIDE: side, STREAM: 1, SHORTCUT: Number(shortcut), SHIFT: shift },
      // A falling channel's bit, n < -t, is kept inverted, and so are its weights and its padding.
      weights: cStruct(
        Int32Array.from(alpha),
        Int16Array.from(thresholds, (t, c) => (rising[c] ? t : -t)),
        packBits(channels, (c) => rising[c] === 0),
        packFilters(weights, channels, (weight, c) => weight > 0 === (rising[c] === 1)),
      ),
    },
  };
}

/** Levels of `bits` bits in and out, weights of as many: convolution and requantisation. */
export function levelConv(bits: number, channels: number, side: number, source = "conv.c"): LayerKind {
  const numbers = new Numbers(3);
  const high = 2 ** bits - 1;
  const weights = numbers.integers(channels * channels * 9, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1);
  const multiplier = numbers.integers(channels, 16, 255);
  const shift = 10 + bits;
  const offset = numbers.integers(channels, 0, high * 2 ** shift);
  return {
    grid: { step: 1, min: 0, max: high },
    add(builder, x, name) {
      const w = builder.constant(`${name}.weights`, [channels, channels, 3, 3], weights);
      const m = builder.constant(`${name}.multiplier`, [channels], multiplier);
      const o = builder.constant(`${name}.offset`, [channels], offset);
      const sum = builder.node("conv", [x, w], `${name}.conv`, { ...SAME_PADDING, padValue: 0 });
      return builder.node("requant", [sum, m, o], name, { shift, rounding: "FLOOR", low: 0, high, zero: 0, scale: 1 });
    },
    natural: {
      source,
      defines: {
        ...{ CHANNELS: channels, OUTPUTS: channels, SIDE: side, PLANES: 0 },
        ...{ SCALED: 1, SHIFT: shift, LOW: 0, HIGH: high, BITS: bits },
      },
      weights: cStruct(Int32Array.from(multiplier), Int32Array.from(offset), tapsOutermost(weights, channels)),
    },
  };
}

/** The first layer of an image network: 8-bit pixels, channels outermost, 8-bit weights; 8 bits out. */
export function imageConv(channels: number, outputs: number, side: number): LayerKind {
  const numbers = new Numbers(4);
  const weights = numbers.integers(outputs * channels * 9, -127, 127);
  const bias = numbers.integers(outputs, -20000, 20000);
  const shift = 9;
  const unit = 2 ** -shift;
  return {
    grid: STREAM_GRID,
    add(builder, x, name) {
      const scaled = (values: readonly number[]): number[] => values.map((n) => n * unit);
      const w = builder.constant(`${name}.weights`, [outputs, channels, 3, 3], scaled(weights));
      const b = builder.constant(`${name}.bias`, [outputs], scaled(bias));
      const image = builder.node("quant", [x], `${name}.image`, { ...STREAM, rounding: "ROUND" });
      const sum = builder.node("conv", [image, w, b], `${name}.conv`, { ...SAME_PADDING, padValue: 0 });
      return builder.node("quant", [sum], name, STREAM);
    },
    natural: {
      source: "conv.c",
      defines: {
        ...{ CHANNELS: channels, OUTPUTS: outputs, SIDE: side, PLANES: 1 },
        ...{ SCALED: 0, SHIFT: shift, LOW: -128, HIGH: 127 },
      },
      weights: cStruct(Int32Array.from(bias), tapsOutermost(weights, channels)),
    },
  };
}
