/**
 * Rounding v / 2^shift to an integer, in shifts and additions. An arithmetic right shift rounds down; every other mode is that of v plus
 * something, which for some depends on v's sign or on the bit that it is about to be rounded to:
 *
 *     CEIL               v + 2^shift - 1
 *     UP (from zero)     v + 2^shift - 1 where v >= 0
 *     DOWN (to zero)     v + 2^shift - 1 where v < 0
 *     HALF_UP            u = v + half - 1, plus 1 where u >= 0
 *     HALF_DOWN          u = v + half - 1, plus 1 where u < 0
 *     HALF_EVEN          v + half - 1, plus 1 where floor(v / 2^shift) is odd
 *
 * In the two modes in the middle u's sign is v's but for magnitudes below one half, which round to 0 with and without the 1.
 */
import { numberOf } from "../graph/graph.ts";
import { multipleOf } from "../graph/grid.ts";
import type { Chain } from "./chain.ts";
import { noKernel } from "./draft.ts";

/** The largest shift of a requantisation. */
const MAX_SHIFT = 52;

export interface Bounds {
  readonly min: bigint;
  readonly max: bigint;
}

/** When `amount` is added to v; "odd" adds it always, and 1 more where floor(v / 2^shift) is odd. */
export type Correction = "never" | "positive" | "negative" | "odd";

export interface Rounding {
  readonly kind: "round";
  readonly shift: number;
  readonly correction: Correction;
  readonly amount: number;
  /** Limits of the rounded integer, where v can pass them. */
  readonly low?: number;
  readonly high?: number;
  /** Subtracted from what is clipped. */
  readonly zero: number;
}

export interface RoundingDraft {
  readonly plan: Rounding;
  /** Added to every channel's base. */
  readonly fold: bigint;
  /** The range of v with all that is added to it. */
  readonly reach: Bounds;
}

/** @param bounds the range of v over all channels, before anything is folded in */
export function planRounding(chain: Chain, bounds: Bounds): RoundingDraft {
  const { shift, mode, low, high, zero } = parametersOf(chain);
  const [constant, correction, amount] = shift === 0 ? NOTHING : additions(mode, BigInt(shift));
  // Whole steps pass a rounding that looks at no sign: the zero point goes into the base, and the limits move with it.
  const moved = correction === "never" ? zero : 0;
  const most = amount + (correction === "odd" ? 1n : 0n);
  const smallest = (bounds.min + constant) >> BigInt(shift);
  const largest = (bounds.max + constant + most) >> BigInt(shift);
  const fold = constant - (BigInt(moved) << BigInt(shift));
  return {
    plan: {
      kind: "round",
      shift,
      correction,
      amount: Number(amount),
      ...(smallest < BigInt(low) && { low: low - moved }),
      ...(largest > BigInt(high) && { high: high - moved }),
      zero: zero - moved,
    },
    fold,
    reach: { min: bounds.min + fold, max: bounds.max + fold + most },
  };
}

interface Parameters {
  readonly shift: number;
  readonly mode: string;
  readonly low: number;
  readonly high: number;
  readonly zero: number;
}

function parametersOf({ quantiser, output, step }: Chain): Parameters {
  const grid = output.grid!;
  if (!quantiser) return { shift: 0, mode: "FLOOR", low: grid.min, high: grid.max, zero: 0 };
  const mode = String(quantiser.attributes.rounding);
  if (quantiser.op === "requant") {
    const [low, high] = [numberOf(quantiser, "low"), numberOf(quantiser, "high")];
    return { shift: numberOf(quantiser, "shift"), mode, low, high, zero: numberOf(quantiser, "zero") };
  }
  // Values on a coarser grid than the quantiser's are raised to it, and nothing is rounded.
  const ratio = step >= grid.step ? multipleOf(step, grid.step) && 1 : multipleOf(grid.step, step);
  const shift = ratio === undefined ? Number.NaN : Math.log2(ratio);
  if (!Number.isInteger(shift) || shift > MAX_SHIFT || (shift > 0 && mode !== "FLOOR"))
    noKernel(
      `Node "${quantiser.name}" (quant) rounds by ${mode} from steps of ${step} to steps of ${grid.step}, where a kernel shifts by at most ${MAX_SHIFT} bits`,
      'Use power-of-two scales and rounding_mode "FLOOR".',
    );
  return { shift, mode, low: grid.min, high: grid.max, zero: 0 };
}

const NOTHING = [0n, "never", 0n] as const;

/** What a mode adds: a constant in any case, and when which amount besides. */
function additions(mode: string, shift: bigint): readonly [bigint, Correction, bigint] {
  const rest = (1n << shift) - 1n;
  const half = 1n << (shift - 1n);
  switch (mode) {
    case "FLOOR":
      return [0n, "never", 0n];
    case "CEIL":
      return [rest, "never", 0n];
    case "UP":
      return [0n, "positive", rest];
    case "DOWN":
    case "ROUND_TO_ZERO":
      return [0n, "negative", rest];
    case "HALF_UP":
      return [half - 1n, "positive", 1n];
    case "HALF_DOWN":
      return [half - 1n, "negative", 1n];
    case "ROUND":
    case "HALF_EVEN":
      return [0n, "odd", half - 1n];
    default:
      throw new Error(`no rounding mode "${mode}"`);
  }
}
