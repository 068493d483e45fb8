/** Random graphs of stored tensors: views, buffers that are taken over, tensors that several layers read, every kernel beside every other. */
import fc from "fast-check";
import { it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { randomFrom } from "../support/random.ts";
import { checkGraph, randomSample } from "../support/run-graph.ts";

/** Grows a graph; every tensor that it keeps is stored in one byte or two. */
class Grower {
  readonly builder = new GraphBuilder("random");
  readonly maps: string[] = ["x"];
  readonly #random: () => number;
  #names = 0;

  constructor(seed: number, shape: readonly number[]) {
    this.#random = randomFrom(seed);
    this.builder.input("x", shape, { step: 0.5, min: -128, max: 127 });
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  name(): string {
    return `t${this.#names++}`;
  }

  shape(name: string): readonly number[] {
    return this.builder.tensor(name).shape;
  }

  node(op: string, inputs: readonly string[], attributes = {}): string {
    return this.builder.node(op, inputs, this.name(), attributes);
  }

  constant(shape: readonly number[], values: readonly number[]): string {
    return this.builder.constant(this.name(), shape, values);
  }

  /** Back to a byte, or two, signed or not; per channel or for all. */
  requant(name: string): string {
    const { shape, grid } = this.builder.tensor(name);
    const channels = this.below(2) ? shape[0]! : 1;
    const bits = this.pick([4, 8, 8, 8, 12]);
    const signed = this.below(2) === 1;
    const reach = Math.max(grid!.max, -grid!.min, 1);
    const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    const multiplier = (): number => Math.round(((0.5 + this.#random()) * high * 2 ** 10) / reach);
    const inputs = [
      name,
      this.constant([channels], Array.from({ length: channels }, multiplier)),
      this.constant([1], [this.below(2 ** 11) - 2 ** 10]),
    ];
    const rounding = this.pick(["FLOOR", "HALF_EVEN", "HALF_UP"]);
    return this.node("requant", inputs, { shift: 10, rounding, low, high, zero: 0, scale: 0.5 });
  }

  /** One more tensor, from those that there are. */
  grow(): void {
    const made = this.pick(GROWTHS)(this, this.pick(this.maps.slice(-4)));
    if (made !== undefined) this.maps.push(made);
  }
}

type Growth = (g: Grower, x: string) => string | undefined;

const convolution: Growth = (g, x) => {
  const [channels, height, width] = g.shape(x) as [number, number, number];
  const outputs = g.pick([1, 3, 8, 9]);
  const kernel = height > 2 && width > 2 ? 3 : 1;
  const taps = channels * kernel * kernel;
  const weights = Array.from({ length: outputs * taps }, () => g.below(15) - 7);
  const w = g.constant([outputs, channels, kernel, kernel], weights);
  const pad = g.below(kernel);
  const attributes = { strides: [1 + g.below(2), 1], pads: [pad, pad, 0, pad], padValue: 0 };
  return g.requant(g.node("conv", [x, w], attributes));
};

const pooling: Growth = (g, x) => {
  const [, height, width] = g.shape(x) as [number, number, number];
  const kernel = [Math.min(height, 1 + g.below(3)), Math.min(width, 1 + g.below(3))];
  const attributes = { kernel, strides: [1 + g.below(2), 1 + g.below(2)], pads: [0, 0, 0, 0] };
  return g.below(2) ? g.node("maxPool", [x], attributes) : g.requant(g.node("averagePool", [x], attributes));
};

/** Two tensors of one shape, joined; or one with itself. */
const joining: Growth = (g, x) => {
  const alike = g.maps.filter((name) => g.shape(name).join() === g.shape(x).join());
  return g.requant(g.node(g.pick(["add", "sub", "mul"]), [x, g.pick(alike)]));
};

const movement: Growth = (g, x) => {
  const [channels, height, width] = g.shape(x) as [number, number, number];
  switch (g.below(5)) {
    case 0:
      return channels * height * width > 400 ? undefined : g.node("concat", [x, x], { axis: g.below(3) });
    case 1:
      return g.node("pad", [x], { before: [0, 1, 0], after: [g.below(2), 0, 1], value: 0 });
    case 2:
      return g.node("transpose", [x], {
        perm: g.pick([
          [1, 2, 0],
          [2, 0, 1],
          [0, 2, 1],
        ]),
      });
    case 3:
      return g.node("slice", [x], {
        starts: [channels > 1 ? 1 : 0, 0, 0],
        ends: [channels, height, width],
        steps: [1, 1, 1 + g.below(2)],
      });
    default:
      return g.node("reshape", [x], {
        shape: g.pick([
          [channels, height * width, 1],
          [1, channels * height, width],
        ]),
      });
  }
};

const GROWTHS: readonly Growth[] = [
  convolution,
  pooling,
  joining,
  joining,
  movement,
  movement,
  (g, x) => g.node("relu", [x]),
  (g, x) => g.requant(x),
];

/** The output holds several tensors, so that they live long. */
function randomGraph(seed: number, channels: number, size: number): Graph {
  const grower = new Grower(seed, [channels, size, size + 1]);
  for (let i = 0; i < 4 + grower.below(8); i++) grower.grow();
  const last = grower.maps.slice(-3).map((name) => grower.node("flatten", [name]));
  return grower.builder.build([grower.node("concat", last, { axis: 0 })]);
}

const RUNS = Number(process.env.HEDGE_RUNS ?? 60);

it(
  `${RUNS} random graphs run as the reference does, on both engines`,
  () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.constantFrom(1, 3, 8, 9), fc.integer({ min: 1, max: 5 }), (seed, channels, size) => {
        const graph = randomGraph(seed, channels, size);
        checkGraph(graph, [randomSample(graph, seed)]);
      }),
      { numRuns: RUNS },
    );
  },
  RUNS * 2_000,
);
