/**
 * Uniform quantiser (QONNX Quant): y = (round(clip(x / scale + zero, low, high)) - zero) * scale, `low` and `high` by bits, signedness
 * and narrow range. Scale and zero point are single values, or one per channel (the first axis). With `zeroAfterRounding` 1 it is ONNX's
 * QuantizeLinear and DequantizeLinear: y = (clip(round(x / scale) + zero, low, high) - zero) * scale, which differs at halves.
 */

import { type Node, numberOf, numberOr, perChannelOf } from "../graph.ts";
import type { Operator } from "../operator.ts";
import { checkPerChannel, operandIndex } from "./elementwise.ts";

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
  shape(node, [x]) {
    for (const key of ["scale", "zero"]) checkPerChannel(node, x!, key);
    return x!.shape;
  },
  grid(node) {
    const [scale, ...scales] = perChannelOf(node, "scale");
    const zeros = perChannelOf(node, "zero");
    // Zero points in the middle of an even number of levels are halves: the integers then are odd ones of half the step.
    const whole = zeros.every(Number.isInteger) ? 1 : 2;
    if (scales.some((other) => other !== scale) || !zeros.every((zero) => Number.isInteger(whole * zero)))
      return undefined;
    const { low, high } = rangeOf(node);
    return {
      step: scale! / whole,
      min: whole * (low - Math.max(...zeros)),
      max: whole * (high - Math.min(...zeros)),
    };
  },
  run(node, [x]) {
    const scales = perChannelOf(node, "scale");
    const zeros = perChannelOf(node, "zero");
    const scaleOf = operandIndex(x!.shape, scales.length);
    const zeroOf = operandIndex(x!.shape, zeros.length);
    const round = ROUNDING[String(node.attributes.rounding)]!;
    const { low, high } = rangeOf(node);
    const zeroFirst = numberOr(node, "zeroAfterRounding", 0) === 0;
    return x!.values.map((v, i) => {
      const scale = scales[scaleOf(i)]!;
      const zero = zeros[zeroOf(i)]!;
      // In float32, as by the runtimes: for a scale that is no power of two it decides at which value a level begins.
      const scaled = fround(v / scale);
      const n = zeroFirst
        ? round(clamp(fround(scaled + zero), low, high)) - zero
        : clamp(round(scaled) + zero, low, high) - zero;
      return n * scale;
    });
  },
};

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}
