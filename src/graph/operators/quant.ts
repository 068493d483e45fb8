/**
 * Uniform quantiser (QONNX Quant): y = (round(clip(x / scale + zero, low, high)) - zero) * scale, `low` and `high` by bits, signedness
 * and narrow range. Scale and zero point are single values.
 */

import { type Node, numberOf } from "../graph.ts";
import { isPowerOfTwo } from "../grid.ts";
import type { Operator } from "../operator.ts";

const { fround } = Math;

/**
 * QONNX's rounding modes; the names are those of its specification. Each step is rounded to float32, as by the runtimes that have to agree:
 * just below a half, adding one half in float32 already gives 1.
 */
export const ROUNDING: Readonly<Record<string, (x: number) => number>> = {
  ROUND: roundHalfEven,
  HALF_EVEN: roundHalfEven,
  CEIL: Math.ceil,
  FLOOR: Math.floor,
  UP: (x) => Math.sign(x) * Math.ceil(Math.abs(x)),
  DOWN: Math.trunc,
  ROUND_TO_ZERO: Math.trunc,
  HALF_UP: (x) => Math.sign(x) * Math.floor(fround(Math.abs(x) + 0.5)),
  HALF_DOWN: (x) => Math.sign(x) * Math.ceil(fround(Math.abs(x) - 0.5)),
};

function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

/** Smallest and largest integer of a quantiser. */
export function quantRange(bits: number, signed: boolean, narrow: boolean): { low: number; high: number } {
  if (signed) return { low: -(2 ** (bits - 1)) + (narrow ? 1 : 0), high: 2 ** (bits - 1) - 1 };
  return { low: 0, high: 2 ** bits - 1 - (narrow ? 1 : 0) };
}

export function rangeOf(node: Node): { low: number; high: number } {
  return quantRange(numberOf(node, "bits"), numberOf(node, "signed") === 1, numberOf(node, "narrow") === 1);
}

export const quant: Operator = {
  op: "quant",
  exactness: "exact on grids",
  shape: (_node, [x]) => x!.shape,
  grid(node) {
    const scale = numberOf(node, "scale");
    const zero = numberOf(node, "zero");
    if (!isPowerOfTwo(scale) || !Number.isInteger(zero)) return undefined;
    const { low, high } = rangeOf(node);
    return { step: scale, min: low - zero, max: high - zero };
  },
  run(node, [x]) {
    const scale = numberOf(node, "scale");
    const zero = numberOf(node, "zero");
    const round = ROUNDING[String(node.attributes.rounding)]!;
    const { low, high } = rangeOf(node);
    // Every step in float32, too: for a scale that is no power of two it decides at which value a level begins.
    return x!.values.map((v) => {
      const clipped = Math.min(Math.max(fround(fround(v / scale) + zero), low), high);
      return fround(fround(round(clipped) - zero) * scale);
    });
  },
};
