/**
 * The integer grid: a tensor whose every value is an integer times one power of two. Below 2^24 such values are exact in
 * float32, so that onnxruntime, PyTorch, this reference and an integer module all compute the same.
 */

/** Integers at or beyond this may not be exact in float32. */
export const EXACT_LIMIT = 2 ** 24;

export interface Grid {
  /** A power of two: what the integer 1 is worth. */
  readonly step: number;
  /** Smallest and largest integer that can occur. */
  readonly min: number;
  readonly max: number;
}

export function isPowerOfTwo(x: number): boolean {
  return x > 0 && Number.isInteger(Math.log2(x));
}

/** log2 of a ratio of two steps; an integer because both are powers of two. */
export function shiftBetween(from: number, to: number): number {
  return Math.round(Math.log2(from / to));
}

/** Bits of the smallest two's complement (or, for min >= 0, unsigned) integer that holds the grid. */
export function bitsOf(grid: Grid): number {
  const magnitude = Math.max(grid.max, -grid.min - 1, 0);
  const bits = magnitude === 0 ? 0 : Math.floor(Math.log2(magnitude)) + 1;
  return Math.max(1, bits + (grid.min < 0 ? 1 : 0));
}

/** The coarsest grid on which all values lie, or undefined when there is none with integers below 2^24. */
export function gridOfValues(values: ArrayLike<number>): Grid | undefined {
  let step = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) return undefined;
    if (value !== 0) step = step === 0 ? lowestBit(value) : Math.min(step, lowestBit(value));
  }
  if (step === 0) return { step: 1, min: 0, max: 0 };
  let min = 0;
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    min = Math.min(min, values[i]! / step);
    max = Math.max(max, values[i]! / step);
  }
  return Math.max(max, -min) < EXACT_LIMIT ? { step, min, max } : undefined;
}

/** The worth of the lowest set bit of a finite, non-zero number. */
function lowestBit(value: number): number {
  let bit = 2 ** Math.floor(Math.log2(Math.abs(value)));
  // A double has 53 significant bits, so this ends.
  while (!Number.isInteger(value / bit)) bit /= 2;
  return bit;
}
