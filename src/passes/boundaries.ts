/**
 * Where a monotone function from integers to levels passes from one level to the next, in each channel: found by bisection of all
 * channels and levels at once, so that accumulators of 30 bits cost no more than thirty evaluations.
 */
import type { Grid } from "../graph/grid.ts";
import type { Steps } from "./fit-requant.ts";

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
}

export function boundariesOf(
  grid: Grid,
  channels: number,
  levels: readonly number[],
  levelOf: LevelFunction,
): Boundaries {
  const ends = levelOf(Float64Array.from({ length: 2 * channels }, (_, i) => (i % 2 === 0 ? grid.min : grid.max)));
  const frames = Array.from({ length: channels }, (_, c) => {
    const [first, last] = [ends[2 * c]!, ends[2 * c + 1]!];
    return first <= last
      ? { rising: true, min: grid.min, max: grid.max, lowest: first, highest: last }
      : { rising: false, min: -grid.max, max: -grid.min, lowest: last, highest: first };
  });
  const count = levels.length;
  const frameOf = (i: number) => frames[Math.floor(i / count)]!;
  const low = Float64Array.from({ length: channels * count }, (_, i) => frameOf(i).min);
  const high = Float64Array.from({ length: channels * count }, (_, i) => frameOf(i).max + 1);
  for (let rounds = Math.ceil(Math.log2(grid.max - grid.min + 2)); rounds > 0; rounds--) {
    const middle = low.map((least, i) => Math.floor((least + high[i]!) / 2));
    // Where a search has ended behind the last integer, the function is asked for the last one, and the answer not used.
    const inside = middle.map((p, i) => Math.min(p, frameOf(i).max) * (frameOf(i).rising ? 1 : -1));
    const level = levelOf(inside);
    for (let i = 0; i < level.length; i++) {
      if (low[i]! >= high[i]!) continue;
      if (level[i]! >= levels[i % count]!) high[i] = middle[i]!;
      else low[i] = middle[i]! + 1;
    }
  }
  return {
    levels,
    channels: frames.map((frame, c) => ({ ...frame, reached: low.slice(c * count, (c + 1) * count) })),
  };
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
  return boundaries.channels.map(({ min, max, lowest, highest, reached }) => {
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
