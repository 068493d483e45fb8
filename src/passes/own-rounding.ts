/**
 * Requantisations that keep the quantiser's own rounding: where the chain in front of it is a multiplication and an addition of dyadic
 * numbers, halves are hit exactly, and only the mode itself says where they go.
 */
import { type Graph, type Node, numberOf, numberOr, perChannelOf } from "../graph/graph.ts";
import { INTEGER_ROUNDING } from "../graph/operators/requant.ts";
import { type Boundaries, type ChannelBoundaries, stepsOf } from "./boundaries.ts";
import { type Levels, levelsOf } from "./levels.ts";
import { evaluatePointwise, type Pointwise } from "./pointwise.ts";

const MAX_SHIFT = 31;
/** A coefficient is dyadic when it is this close, relatively, to one of 31 bits: what doubles make of a chain of a few operators. */
const TOLERANCE = 1e-12;

export interface OwnRounding {
  readonly shift: number;
  readonly multipliers: readonly number[];
  readonly offsets: readonly number[];
  readonly rounding: string;
  readonly zero: number;
}

/** What a quantiser does: q = round(value / scale + plus), value = (q - zero) * step. */
interface Rounding {
  readonly mode: string;
  readonly scale: number;
  readonly plus: number;
  readonly zero: number;
}

function roundingOf(quantiser: Node): Rounding | undefined {
  const mode = String(quantiser.attributes.rounding);
  if (quantiser.op === "trunc") {
    const divisor = 2 ** numberOf(quantiser, "shift");
    const plus = numberOf(quantiser, "zero") / divisor;
    return { mode, scale: numberOf(quantiser, "scale") * divisor, plus, zero: plus };
  }
  if (quantiser.op !== "quant") return undefined;
  const zeros = perChannelOf(quantiser, "zero");
  const zero = zeros[0]!;
  if (zeros.some((other) => other !== zero)) return undefined;
  const scale = perChannelOf(quantiser, "scale")[0]!;
  return numberOr(quantiser, "zeroAfterRounding", 0) === 1
    ? { mode, scale, plus: 0, zero: 0 }
    : { mode, scale, plus: zero, zero };
}

/** @returns undefined when the chain is not affine and dyadic between its first and its last boundary in every channel */
export function ownRounding(
  graph: Graph,
  quantiser: Node,
  chain: Pointwise,
  levels: Levels,
  boundaries: Boundaries,
): OwnRounding | undefined {
  const rounding = roundingOf(quantiser);
  if (!rounding) return undefined;
  const { channels } = boundaries;
  // The q of level 0 stays, wherever the levels' own offset is.
  const zero = rounding.zero + levelsOf(graph, quantiser)!.offset - levels.offset;
  const step = chain.source.grid!.step;
  const spans = channels.map(spanOf);
  const x = Float64Array.from(spans.flatMap(({ from, to }) => [from * step, to * step]));
  const scaled = evaluatePointwise(graph, chain, x, channels.length).map((v) => v / rounding.scale + rounding.plus);
  const lines = channels.map(({ lowest, highest }, c) => {
    if (lowest === highest) return { slope: 0, constant: levels.offset + lowest + zero, size: 0 };
    const { from, to } = spans[c]!;
    const slope = (scaled[2 * c + 1]! - scaled[2 * c]!) / (to - from);
    return { slope, constant: scaled[2 * c]! - from * slope, size: Math.abs(slope * from) };
  });
  for (let shift = 0; shift <= MAX_SHIFT; shift++) {
    const unit = 2 ** shift;
    const isDyadic = (value: number, size: number) =>
      Math.abs(Math.round(value * unit) / unit - value) <= TOLERANCE * Math.max(size, Math.abs(value));
    if (!lines.every(({ slope, constant, size }) => isDyadic(slope, 0) && isDyadic(constant, size))) continue;
    const own: OwnRounding = {
      shift,
      multipliers: lines.map(({ slope }) => Math.round(slope * unit)),
      offsets: lines.map(({ constant }) => Math.round(constant * unit)),
      rounding: rounding.mode,
      zero,
    };
    return keepsTo(own, boundaries, levels) ? own : undefined;
  }
  return undefined;
}

/** Two integers of a channel between which no clipping occurs: its first and its last boundary. */
function spanOf({ rising, reached, min, max }: ChannelBoundaries): { from: number; to: number } {
  const inside = reached.filter((p) => p > min && p <= max);
  const [first, last] = [inside[0] ?? min, inside.at(-1) ?? min];
  const sign = rising ? 1 : -1;
  return { from: sign * (first === last ? first - 1 : first), to: sign * last };
}

function keepsTo(own: OwnRounding, boundaries: Boundaries, levels: Levels): boolean {
  const round = INTEGER_ROUNDING[own.rounding]!;
  return stepsOf(boundaries).every(({ from, below }, c) => {
    const sign = boundaries.channels[c]!.rising ? 1 : -1;
    const levelOf = (p: number): number =>
      round((sign * p * own.multipliers[c]! + own.offsets[c]!) / 2 ** own.shift) - own.zero - levels.offset;
    return from.every(({ p, level }) => levelOf(p) >= level) && below.every(({ p, level }) => levelOf(p) < level);
  });
}
