/**
 * Where a monotone function from integers to levels passes from one level to the next, in each channel: found by bisection of all
 * channels and levels at once, so that accumulators of 30 bits cost no more than thirty evaluations.
 */
import type { Grid } from "../graph/grid.ts";
import type { Point, Steps } from "./fit-requant.ts";

/** The level of each integer: [channels, count] -> [channels, count]. */
export type LevelFunction = (integers: Float64Array) => Float64Array;

export interface Boundaries {
  /** The levels whose beginning was looked for, ascending. */
  readonly levels: readonly number[];
  readonly channels: readonly ChannelBoundaries[];
}

export interface ChannelBoundaries {
  /** Whether the level grows with the integer n; else it grows with p = -n. */
  readonly rising: boolean;
  /** The range of p, and the levels at its ends. */
  readonly min: number;
  readonly max: number;
  readonly lowest: number;
  readonly highest: number;
  /** For each of the levels the smallest p that reaches it, or max + 1. */
  readonly reached: Float64Array;
  /** Where not all levels were looked for: the level on both sides of each boundary. */
  readonly samples?: readonly Point[];
}

/** @param levels all of them or, of functions of very many, some: then their boundaries' surroundings are looked at, too */
export function boundariesOf(
  grid: Grid,
  channels: number,
  levels: readonly number[],
  levelOf: LevelFunction,
  all = true,
): Boundaries {
  const ends = levelOf(Float64Array.from({ length: 2 * channels }, (_, i) => (i % 2 === 0 ? grid.min : grid.max)));
  const frames = Array.from({ length: channels }, (_, c) => {
    const [first, last] = [ends[2 * c]!, ends[2 * c + 1]!];
    return first <= last
      ? { rising: true, min: grid.min, max: grid.max, lowest: first, highest: last }
      : { rising: false, min: -grid.max, max: -grid.min, lowest: last, highest: first };
  });
  const search = new Search(frames, levels, levelOf);
  // The ends first: between them most functions are lines, and a guess saves nearly all of the search.
  search.run([0, levels.length - 1]);
  search.guess();
  search.run(levels.keys());
  const found = frames.map((frame, c) => ({ ...frame, reached: search.reached(c) }));
  return { levels, channels: all ? found : sampled(found, levelOf) };
}

function sampled(channels: readonly ChannelBoundaries[], levelOf: LevelFunction): ChannelBoundaries[] {
  const points = channels.map(({ reached, min, max }) =>
    [...reached].flatMap((p) => [p - 1, p]).map((p) => Math.min(Math.max(p, min), max)),
  );
  const level = levelOf(Float64Array.from(points.flatMap((own, c) => own.map((p) => (channels[c]!.rising ? p : -p)))));
  let at = 0;
  return channels.map((channel, c) => ({ ...channel, samples: points[c]!.map((p) => ({ p, level: level[at++]! })) }));
}

type Frame = Omit<ChannelBoundaries, "reached" | "samples">;

/** Brackets around all boundaries at once: the level is not reached below `low`, and is at `high`. */
class Search {
  readonly #low: Float64Array;
  readonly #high: Float64Array;

  constructor(
    private readonly frames: readonly Frame[],
    private readonly levels: readonly number[],
    private readonly levelOf: LevelFunction,
  ) {
    const bound = (of: (frame: Frame) => number) =>
      Float64Array.from({ length: frames.length * levels.length }, (_, i) => of(this.#frameOf(i)));
    this.#low = bound(({ min }) => min);
    this.#high = bound(({ max }) => max + 1);
  }

  reached(c: number): Float64Array {
    return this.#low.slice(c * this.levels.length, (c + 1) * this.levels.length);
  }

  #frameOf(i: number): Frame {
    return this.frames[Math.floor(i / this.levels.length)]!;
  }

  /** Bisects the boundaries of some of the levels, by index. */
  run(wanted: Iterable<number>): void {
    const each = this.#indices(wanted);
    while (each.some((i) => this.#low[i]! < this.#high[i]!))
      this.#ask(each, (i) => Math.floor((this.#low[i]! + this.#high[i]!) / 2));
  }

  /** Asks on both sides of where a line through a channel's first and last boundary would have each of the others. */
  guess(): void {
    const count = this.levels.length;
    const [first, last] = [this.levels[0]!, this.levels.at(-1)!];
    const line = this.#low.map((_, i) => {
      const start = i - (i % count);
      const [from, to] = [this.#low[start]!, this.#low[start + count - 1]!];
      return from + Math.round(((this.levels[i % count]! - first) * (to - from)) / Math.max(1, last - first));
    });
    const all = this.#indices(this.levels.keys());
    for (const offset of [-2, 1]) this.#ask(all, (i) => line[i]! + offset);
  }

  /** Of these levels' boundaries in every channel. */
  #indices(levels: Iterable<number>): Int32Array {
    const some = [...new Set(levels)];
    const of = (at: number) => Math.floor(at / some.length) * this.levels.length + some[at % some.length]!;
    return Int32Array.from({ length: this.frames.length * some.length }, (_, at) => of(at));
  }

  /** Narrows the brackets by the levels at these points; where one lies outside of its bracket nothing is learnt. */
  #ask(each: Int32Array, pointOf: (i: number) => number): void {
    const points = Float64Array.from(each, pointOf);
    const perChannel = each.length / this.frames.length;
    const integers = points.map((p, at) => {
      const { rising, min, max } = this.frames[Math.floor(at / perChannel)]!;
      return Math.min(Math.max(p, min), max) * (rising ? 1 : -1);
    });
    const level = this.levelOf(integers);
    for (let at = 0; at < each.length; at++) {
      const [i, p] = [each[at]!, points[at]!];
      if (p < this.#low[i]! || p >= this.#high[i]!) continue;
      if (level[at]! >= this.levels[i % this.levels.length]!) this.#high[i] = p;
      else this.#low[i] = p + 1;
    }
  }
}

/**
 * How many boundaries another rising or falling function has elsewhere, in each channel.
 * @param levelOf of as many channels
 */
export function movedBoundaries({ levels, channels }: Boundaries, levelOf: LevelFunction): number[] {
  const level = levelOf(
    Float64Array.from(
      channels.flatMap(({ rising, min, max, reached }) =>
        [...reached].flatMap((p) => [p - 1, p].map((q) => Math.min(Math.max(q, min), max) * (rising ? 1 : -1))),
      ),
    ),
  );
  return channels.map(({ min, max, reached }, c) => {
    const at = (i: number): number => 2 * (c * levels.length + i);
    return levels.filter((wanted, i) => {
      const early = reached[i]! > min && level[at(i)]! >= wanted;
      const late = reached[i]! <= max && level[at(i) + 1]! < wanted;
      return early || late;
    }).length;
  });
}
/** The clip around lines: the smallest and the largest level of any channel. */
export function levelRange({ channels }: Boundaries): { low: number; high: number } {
  return {
    low: Math.min(...channels.map(({ lowest }) => lowest)),
    high: Math.max(...channels.map(({ highest }) => highest)),
  };
}

/** What a line per channel, clipped to the range of levels, has to keep to. */
export function stepsOf(boundaries: Boundaries): Steps[] {
  const { low, high } = levelRange(boundaries);
  return boundaries.channels.map(({ min, max, lowest, highest, reached, samples }) => {
    // At the ends of the range the clip does the rest.
    if (samples)
      return {
        from: samples.filter((point) => point.level > low),
        below: samples.filter((point) => point.level < high).map(({ p, level }) => ({ p, level: level + 1 })),
      };
    const from = lowest > low ? [{ p: min, level: lowest }] : [];
    const below = highest < high ? [{ p: max, level: highest + 1 }] : [];
    for (const [i, level] of boundaries.levels.entries()) {
      if (level <= lowest || level > highest) continue;
      from.push({ p: reached[i]!, level });
      below.push({ p: reached[i]! - 1, level });
    }
    return { from, below };
  });
}
