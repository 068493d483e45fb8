/**
 * Finds the integers of a requantisation: per channel a multiplier and an offset, and one shift, such that floor((p * multiplier + offset)
 * / 2^shift) begins each level exactly where the function does. All lines that separate the points below the steps from those above
 * make a convex set, so the slopes that do are an interval; the smallest shift is taken at which every channel has an integer in its own.
 */

/** What a rising line L has to keep to: L(p) >= level at the points of `from`, L(p) < level at those of `below`. */
export interface Steps {
  readonly from: readonly Point[];
  readonly below: readonly Point[];
}

export interface Point {
  /** An integer of the source. */
  readonly p: number;
  readonly level: number;
}

export interface Line {
  readonly multiplier: number;
  readonly offset: number;
}

export interface Fit {
  readonly shift: number;
  readonly lines: readonly Line[];
}

/** Multipliers stay below this: 31 bits. */
const MULTIPLIER_LIMIT = 2 ** 31;
/** Products and sums stay below this, with room for the addition of a level. */
const SUM_LIMIT = 2 ** 52;
const MAX_SHIFT = 46;
const BISECTIONS = 64;

/** @returns the fit with the smallest shift, or undefined when no 31-bit multipliers separate all points */
export function fitLines(channels: readonly Steps[]): Fit | undefined {
  const slopes: Slopes[] = [];
  for (const steps of channels) {
    const found = slopesOf(steps);
    if (!found) return undefined;
    slopes.push(found);
  }
  for (let shift = 0; shift <= MAX_SHIFT; shift++) {
    const lines = linesAt(channels, slopes, shift);
    if (lines) return { shift, lines };
  }
  return undefined;
}

function linesAt(channels: readonly Steps[], slopes: readonly Slopes[], shift: number): Line[] | undefined {
  const lines: Line[] = [];
  for (const [c, steps] of channels.entries()) {
    const { least, best, most } = slopes[c]!;
    const unit = 2 ** shift;
    const clamped = Math.min(Math.max(Math.round(best * unit), Math.ceil(least * unit)), Math.floor(most * unit));
    const line = [clamped, clamped - 1, clamped + 1]
      .filter((multiplier) => multiplier >= 0)
      .map((multiplier) => lineWith(steps, multiplier, unit))
      .find((found) => found !== undefined);
    if (!line) return undefined;
    lines.push(line);
  }
  return lines;
}

/** The line of this multiplier that keeps furthest from all points; undefined when there is none. */
function lineWith(steps: Steps, multiplier: number, unit: number): Line | undefined {
  const reach = [...steps.from, ...steps.below].reduce((most, { p }) => Math.max(most, Math.abs(p)), 0);
  if (multiplier >= MULTIPLIER_LIMIT || reach * multiplier >= SUM_LIMIT) return undefined;
  const { least, most } = offsetsAt(steps, multiplier, unit);
  const offset = Math.floor((least + most) / 2);
  return least <= most && Math.abs(offset) < SUM_LIMIT ? { multiplier, offset } : undefined;
}

/** The offsets with which a line of this multiplier separates the points: from `least` to `most`, where there are any. */
function offsetsAt({ from, below }: Steps, multiplier: number, unit: number): { least: number; most: number } {
  let least = Number.NEGATIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (const { p, level } of from) least = Math.max(least, level * unit - p * multiplier);
  for (const { p, level } of below) most = Math.min(most, level * unit - p * multiplier - 1);
  if (most === Number.POSITIVE_INFINITY) most = Number.isFinite(least) ? least : 0;
  return { least: Number.isFinite(least) ? least : most, most };
}

/** The slopes of lines that separate a channel's points, and the one that does so by the widest margin. */
interface Slopes {
  readonly least: number;
  readonly best: number;
  readonly most: number;
}

function slopesOf(steps: Steps): Slopes | undefined {
  if (margin(steps, 0).width > 0) return { least: 0, best: 0, most: 0 };
  const best = bestSlope(steps);
  if (margin(steps, best).width <= 0) return undefined;
  const least = bisect(0, best, (slope) => margin(steps, slope).width <= 0);
  const most = bisect(best, steepest(steps), (slope) => margin(steps, slope).width > 0);
  return { least, best, most };
}

function bestSlope(steps: Steps): number {
  return bisect(0, steepest(steps), (slope) => margin(steps, slope).growing);
}

/** Steeper than all levels in one integer no line needs to be. */
function steepest({ from, below }: Steps): number {
  const levels = [...from, ...below].map(({ level }) => level);
  return levels.reduce((a, b) => Math.max(a, b), 0) - levels.reduce((a, b) => Math.min(a, b), 0) + 2;
}

/** The height between the lines of one slope through the outermost points, a concave function of the slope. */
function margin({ from, below }: Steps, slope: number): { width: number; growing: boolean } {
  let floor = Number.NEGATIVE_INFINITY;
  let ceiling = Number.POSITIVE_INFINITY;
  let [low, high] = [0, 0];
  for (const { p, level } of from)
    if (level - p * slope > floor) {
      floor = level - p * slope;
      low = p;
    }
  for (const { p, level } of below)
    if (level - p * slope < ceiling) {
      ceiling = level - p * slope;
      high = p;
    }
  return { width: ceiling - floor, growing: low > high };
}

/** Where a predicate that holds first and then no more changes. */
function bisect(from: number, to: number, holds: (x: number) => boolean): number {
  let [low, high] = [from, to];
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The lines that come closest where none separate the points: slopes of the widest (least negative) margin in 31 bits, in its middle.
 * @param fits whether all sums of a fit are integers of a double
 * @returns undefined when no shift gives a channel any multiplier
 */
export function closestLines(channels: readonly Steps[], fits: (fit: Fit) => boolean = () => true): Fit | undefined {
  const slopes = channels.map(bestSlope);
  for (let shift = MAX_SHIFT; shift >= 0; shift--) {
    const unit = 2 ** shift;
    const lines = channels.map((steps, c): Line => {
      const multiplier = Math.round(slopes[c]! * unit);
      const { least, most } = offsetsAt(steps, multiplier, unit);
      return { multiplier, offset: Math.floor((least + most) / 2) };
    });
    const small = lines.every(
      ({ multiplier, offset }) => multiplier < MULTIPLIER_LIMIT && Math.abs(offset) < SUM_LIMIT,
    );
    if (small && fits({ shift, lines })) return { shift, lines };
  }
  return undefined;
}
