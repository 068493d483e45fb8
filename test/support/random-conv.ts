/** Random convolutions and fully connected layers on integers, as lowered graphs, for tests of their kernels. */
import fc from "fast-check";
import { GraphBuilder } from "../../src/graph/build.ts";
import { elementCount, type Graph } from "../../src/graph/graph.ts";
import { randomFrom } from "./random.ts";

export interface Integers {
  readonly min: number;
  readonly max: number;
}

export interface ConvShape {
  readonly seed: number;
  /** [channels, height, width] */
  readonly input: readonly [number, number, number];
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly group: number;
  readonly activations: Integers;
  readonly weights: Integers;
  readonly padInteger: number;
  /** How the chain ends: requantised to 8 or 16 bits, or thresholds to as many levels. */
  readonly ending: "requant" | "requant16" | "shift" | 2 | 4 | 16;
  /** Whether a tensor of the output's shape is added. */
  readonly shortcut: boolean;
  /** Whether the input is made by a layer, which stores channels innermost; else it is the host's. */
  readonly stored: boolean;
  /** Weights take only the ends of their range. */
  readonly twoWeights?: boolean;
  /** Activations are the input's signs, as a threshold makes them. */
  readonly signs?: boolean;
}

const between = (random: () => number, { min, max }: Integers): number => min + Math.floor(random() * (max - min + 1));

function weightsOf(random: () => number, count: number, range: Integers, two = false): number[] {
  return Array.from({ length: count }, (_, i) => {
    const end = i < 2 ? i : random() < 0.5 ? 0 : 1;
    return i < 2 || two ? [range.min, range.max][end]! : between(random, range);
  });
}

const STEP = 0.25;

/** The lowered graph of one layer. */
export function convGraph(c: ConvShape): Graph {
  const random = randomFrom(c.seed);
  const builder = new GraphBuilder("conv");
  builder.input("x", c.input, { step: STEP, ...c.activations });
  if (c.signs) {
    builder.constant("zeros", [c.input[0], 1], new Float64Array(c.input[0]));
    const rising = new Array<number>(c.input[0]).fill(1);
    builder.node("threshold", ["x", "zeros"], "stored", { rising, scale: 2 * STEP, offset: -0.5, inputStep: STEP });
  } else if (c.stored) store(builder, c.activations);
  const source = c.stored ? "stored" : "x";
  const shape = [c.outputs, c.input[0] / c.group, ...c.kernel];
  const { min, max } = c.weights;
  const weights = weightsOf(random, elementCount(shape), c.weights, c.twoWeights);
  builder.constant("w", shape, weights, { step: 1, min, max });
  const bias = Array.from({ length: c.outputs }, () => STEP * between(random, { min: -500, max: 500 }));
  builder.constant("b", [c.outputs], bias, { step: STEP, min: -500, max: 500 });
  const { strides, pads, dilations, group } = c;
  builder.node("conv", [source, "w", "b"], "sum", { strides, pads, dilations, group, padValue: c.padInteger * STEP });
  return ended(builder, c, "sum", random);
}

/** A fully connected layer on the flattened map, or on a vector where the map is one pixel. */
export function denseGraph(
  c: Omit<ConvShape, "kernel" | "strides" | "pads" | "dilations" | "group" | "padInteger">,
): Graph {
  const random = randomFrom(c.seed);
  const builder = new GraphBuilder("dense");
  const inputs = elementCount(c.input);
  const vector = c.input[1] === 1 && c.input[2] === 1;
  builder.input("x", vector ? [inputs] : c.input, { step: STEP, ...c.activations });
  let source = "x";
  if (c.stored && !vector) source = store(builder, c.activations);
  if (!vector) source = builder.node("flatten", [source], "flat");
  const { min, max } = c.weights;
  const weights = weightsOf(random, c.outputs * inputs, c.weights);
  builder.constant("w", [c.outputs, inputs], weights, { step: 1, min, max });
  builder.node("gemm", [source, "w"], "sum");
  return ended(builder, { ...c, shortcut: false }, "sum", random);
}

/** A layer that stores the input as it is. */
function store(builder: GraphBuilder, { min, max }: Integers): string {
  const [one, none] = [scalar(builder, "one", 1), scalar(builder, "nothing", 0)];
  const attributes = { shift: 0, rounding: "FLOOR", low: min, high: max, zero: 0, scale: STEP };
  return builder.node("requant", ["x", one, none], "stored", attributes);
}

function scalar(builder: GraphBuilder, name: string, value: number): string {
  return builder.constant(name, [1], [value]);
}

/** The rest of the chain: its figures are such that about all of the output's integers occur. */
function ended(
  builder: GraphBuilder,
  c: Pick<ConvShape, "ending" | "shortcut">,
  sum: string,
  random: () => number,
): Graph {
  const { shape, grid } = builder.tensor(sum);
  const channels = shape[0]!;
  let tensor = sum;
  if (c.shortcut) {
    const half = { shift: 2, rounding: "FLOOR", low: -100, high: 100, zero: 0, scale: STEP };
    builder.node("requant", [sum, scalar(builder, "three", 3), scalar(builder, "seven", 7)], "other", half);
    tensor = builder.node("add", [sum, "other"], "joined");
  }
  const reach = Math.max(1, grid!.max, -grid!.min) / 2;
  if (typeof c.ending === "number") {
    const levels = c.ending;
    const rows = Array.from({ length: channels }, () =>
      Array.from({ length: levels - 1 }, () => Math.round((2 * random() - 1) * reach * 0.5)).sort((a, b) => a - b),
    );
    builder.constant("t", [channels, levels - 1], rows.flat());
    const rising = rows.map(() => (random() < 0.7 ? 1 : 0));
    const offset = levels === 2 ? -0.5 : 0;
    builder.node("threshold", [tensor, "t"], "y", {
      rising,
      scale: 0.5,
      offset,
      inputStep: builder.tensor(tensor).grid!.step,
    });
  } else if (c.ending === "shift") {
    const shift = Math.max(0, Math.round(Math.log2(reach / 127)));
    const scale = STEP * 2 ** shift;
    builder.node("quant", [tensor], "y", { bits: 8, signed: 1, narrow: 0, rounding: "FLOOR", scale, zero: 0 });
  } else {
    const half = c.ending === "requant" ? 128 : 32768;
    const shift = 18;
    const multipliers = Array.from({ length: channels }, () =>
      Math.round(((0.5 + random()) * half * 2 ** shift) / reach),
    );
    builder.constant("m", [channels], multipliers);
    const attributes = { shift, rounding: "HALF_EVEN", low: 0, high: 2 * half - 1, zero: half, scale: 0.1 };
    builder.node("requant", [tensor, "m", scalar(builder, "middle", half * 2 ** shift)], "y", attributes);
  }
  return builder.build(["y"]);
}

/** Channel counts at which words and chunks end evenly, or do not. */
export const ODD = [1, 3, 31, 32, 33, 63, 64, 65];

export const INT8: Integers = { min: -128, max: 127 };
export const UINT8: Integers = { min: 0, max: 255 };

/** The plainest convolution, of which tests change what they are about: 3x3, as large out as in, between stored bytes. */
export const PLAIN = {
  seed: 5,
  input: [3, 6, 5],
  outputs: 16,
  kernel: [3, 3],
  strides: [1, 1],
  pads: [1, 1, 1, 1],
  dilations: [1, 1],
  group: 1,
  activations: INT8,
  weights: INT8,
  padInteger: 0,
  ending: "requant",
  shortcut: false,
  stored: true,
} as const satisfies ConvShape;

const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

/** Everything but the types of the integers. */
export const convShapes = {
  seed: fc.nat(1e6),
  input: fc.tuple(fc.constantFrom(1, 3, 4, 16, 31, 33), small(5, 7), small(5, 7)),
  outputs: fc.constantFrom(1, 2, 3, 16, 31, 33),
  kernel: fc.constantFrom<[number, number]>([1, 1], [3, 3], [1, 3], [3, 1], [3, 2]),
  strides: fc.constantFrom<[number, number]>([1, 1], [2, 2], [1, 2], [2, 1]),
  pads: fc.constantFrom<[number, number, number, number]>([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 2, 0], [2, 0, 0, 1]),
  dilations: fc.constantFrom<[number, number]>([1, 1], [1, 1], [1, 2], [2, 1]),
  ending: fc.constantFrom<ConvShape["ending"]>("requant", "requant16", "shift", 2, 4, 16),
  shortcut: fc.boolean(),
  stored: fc.boolean(),
};
