/** The three forms that a folded chain can take. */
import { type Attributes, tensorOf } from "../graph/graph.ts";
import { integersOf } from "../graph/operators/lut.ts";
import { type Boundaries, type LevelFunction, levelRange, stepsOf } from "./boundaries.ts";
import { closestLines, type Fit, fitLines, type Steps } from "./fit-requant.ts";
import type { Fold } from "./fold-chains.ts";
import { ownRounding } from "./own-rounding.ts";

/** A node in place of a chain: constants are its inputs behind the source. */
export interface Folded {
  readonly op: "threshold" | "requant" | "lut";
  readonly constants: readonly {
    readonly role: string;
    readonly shape: readonly number[];
    readonly values: readonly number[];
  }[];
  readonly attributes: Attributes;
  /** Where it is not the chain to the bit. */
  readonly note?: string;
}

/** Each channel's thresholds in the source's integers; for falling channels in their complements -n - 1. */
export function thresholdOf({ chain, levels, grid }: Fold, boundaries: Boundaries): Folded {
  const channels = chain.source.shape[0]!;
  const of = (c: number) => boundaries.channels[boundaries.channels.length === 1 ? 0 : c]!;
  const values = Array.from({ length: channels }, (_, c) => {
    const { rising, reached } = of(c);
    return [...reached].map((p) => (rising ? p : p - 1));
  }).flat();
  const { scale, offset } = levels;
  const rising = Array.from({ length: channels }, (_, c) => (of(c).rising ? 1 : 0));
  return {
    op: "threshold",
    constants: [{ role: "thresholds", shape: [channels, levels.count - 1], values }],
    attributes: { rising, scale, offset, inputStep: grid.step },
  };
}

/** The result's integer for each of the source's, by channel or for all of them. */
export function lutOf(fold: Fold, levelOf: LevelFunction): Folded {
  const { graph, quantiser, grid, levels, channels } = fold;
  const entries = integersOf(grid);
  const { step } = tensorOf(graph, quantiser.output).grid!;
  const every = Float64Array.from({ length: channels * entries }, (_, i) => grid.min + (i % entries));
  const table = [...levelOf(every)].map((level) => Math.round(((level + levels.offset) * levels.scale) / step));
  const same = table.every((value, i) => value === table[i % entries]);
  const rows = same ? 1 : channels;
  return {
    op: "lut",
    constants: [{ role: "table", shape: [rows, entries], values: table.slice(0, rows * entries) }],
    attributes: { scale: step, zero: 0 },
  };
}

/**
 * An affine map with clamps. "exact" gives none unless every boundary that was looked for is where the chain has it; "closest" gives the
 * best that 31 bits allow, and says how many boundaries it moves.
 */
export function requantOf(fold: Fold, boundaries: Boundaries, wanted: "exact" | "closest"): Folded | undefined {
  const { graph, quantiser, chain, levels } = fold;
  if (!Number.isInteger(levels.offset)) return undefined;
  const { low, high } = levelRange(boundaries);
  const range = { low: low + levels.offset, high: high + levels.offset, scale: levels.scale };
  const steps = stepsOf(boundaries);
  const reach = Math.max(fold.grid.max, -fold.grid.min);
  const small = (coefficients: Coefficients): boolean => sumsOf(coefficients, reach) < Number.MAX_SAFE_INTEGER;
  const fits = (fit: Fit): boolean => small(affine(fit, boundaries, levels.offset));
  if (wanted === "exact") {
    // Where not all boundaries were looked for, halves are where the quantiser's own rounding has them.
    const own = () => {
      const found = ownRounding(graph, quantiser, chain, levels, boundaries);
      return found && small(found) ? found : undefined;
    };
    const sampled = boundaries.levels.length < levels.count - 1;
    const first = sampled ? own() : undefined;
    if (first) return requant(first, range, first.rounding, first.zero);
    const fit = fitLines(steps);
    if (fit && fits(fit)) {
      const note = `Of the ${levels.count - 1} boundaries between levels of "${quantiser.name}" ${boundaries.levels.length} were compared.`;
      return { ...requant(affine(fit, boundaries, levels.offset), range, "FLOOR", 0), ...(sampled && { note }) };
    }
    const last = own();
    return last && requant(last, range, last.rounding, last.zero);
  }
  const fit = closestLines(steps, fits);
  if (!fit) return undefined;
  const moved = steps.reduce((sum, each, c) => sum + missed(each, fit, c), 0);
  const all = steps.reduce((sum, { from }) => sum + from.length, 0);
  const note = `No requantisation of 31 bits is "${quantiser.name}" at every boundary between levels: ${moved} of ${all} lie elsewhere.`;
  return { ...requant(affine(fit, boundaries, levels.offset), range, "FLOOR", 0), note };
}

interface Coefficients {
  readonly shift: number;
  readonly multipliers: readonly number[];
  readonly offsets: readonly number[];
}

/** Lines of p, which is -n in falling channels, as maps of n; levels begin at `offset`. */
function affine({ shift, lines }: Fit, { channels }: Boundaries, offset: number): Coefficients {
  return {
    shift,
    multipliers: lines.map(({ multiplier }, c) => (channels[c]!.rising ? multiplier : -multiplier + 0)),
    offsets: lines.map((line) => line.offset + offset * 2 ** shift),
  };
}

/** The largest of a requantisation's products with its offset, of integers of at most `reach`. */
function sumsOf({ multipliers, offsets }: Coefficients, reach: number): number {
  return multipliers.reduce(
    (most, multiplier, c) => Math.max(most, Math.abs(multiplier) * reach + Math.abs(offsets[c]!)),
    0,
  );
}

function requant(
  { shift, multipliers, offsets }: Coefficients,
  { low, high, scale }: { low: number; high: number; scale: number },
  rounding: string,
  zero: number,
): Folded {
  const constant = (role: string, values: readonly number[]) => {
    const all = values.every((value) => value === values[0]) ? values.slice(0, 1) : values;
    return { role, shape: [all.length], values: all };
  };
  return {
    op: "requant",
    constants: [constant("multiplier", multipliers), constant("offset", offsets)],
    attributes: { shift, rounding, low: low + zero, high: high + zero, zero, scale },
  };
}

function missed({ from, below }: Steps, { shift, lines }: Fit, c: number): number {
  const { multiplier, offset } = lines[c]!;
  const levelOf = (p: number): number => Math.floor((p * multiplier + offset) / 2 ** shift);
  const late = from.filter(({ p, level }) => levelOf(p) < level).length;
  return late + below.filter(({ p, level }) => levelOf(p) >= level).length;
}
