/**
 * The integer grid: a tensor whose every value is an integer times one step. With steps that are powers of two and integers
 * below 2^24 such values are exact in float32, so that onnxruntime, PyTorch, this reference and an integer module all compute
 * the same; with other steps the reference kernels (doubles, integers recovered by rounding) are the definition, and float32
 * runtimes agree within their rounding.
 */

/** Integers at or beyond this may not be exact in float32. */
export const EXACT_LIMIT = 2 ** 24;
/** Integers at or beyond this leave the grid: no kernel holds them in 32 bits. */
export const INTEGER_LIMIT = 2 ** 31;
/** Steps whose ratio is this close to a whole number are multiples of each other: products of the same doubles in another order. */
const RATIO_TOLERANCE = 1e-12;

export interface Grid {
  /** What the integer 1 is worth; positive. */
  readonly step: number;
  /** Smallest and largest integer that can occur. */
  readonly min: number;
  readonly max: number;
}

export function isPowerOfTwo(x: number): boolean {
  return x > 0 && Number.isInteger(Math.log2(x));
}

/** Whether float32 runtimes compute every value of the grid to the bit. */
export function isExact(grid: Grid): boolean {
  return isPowerOfTwo(grid.step) && largestInteger(grid) < EXACT_LIMIT;
}

export function largestInteger(grid: Grid): number {
  return Math.max(grid.max, -grid.min);
}

/** The integer behind a value on a grid. */
export function integerOf(value: number, grid: Grid): number {
  return Math.round(value / grid.step);
}

/** log2 of a ratio of two steps, both powers of two. */
export function shiftBetween(from: number, to: number): number {
  return Math.round(Math.log2(from / to));
}

/** How many times `fine` goes into `coarse`, or undefined when it is no whole number. */
export function multipleOf(coarse: number, fine: number): number | undefined {
  const ratio = Math.round(coarse / fine);
  return ratio >= 1 && Math.abs(coarse / fine / ratio - 1) <= RATIO_TOLERANCE ? ratio : undefined;
}

/** How many of a fine step an integer of the grid is worth, as `multipleOf`; of what is nothing but 0 any number is right. */
export function factorTo(grid: Grid, fine: number): number | undefined {
  return grid.min === 0 && grid.max === 0 ? 1 : multipleOf(grid.step, fine);
}

/** Grids in units of the finest of their steps; undefined when that divides not all of them. What is nothing but 0 lies on any. */
export function aligned(grids: readonly Grid[]): Grid[] | undefined {
  const isZero = ({ min, max }: Grid) => min === 0 && max === 0;
  const steps = grids.filter((grid) => !isZero(grid)).map((grid) => grid.step);
  const step = steps.length > 0 ? Math.min(...steps) : grids[0]!.step;
  const factors = grids.map((grid) => factorTo(grid, step));
  if (factors.includes(undefined)) return undefined;
  return grids.map(({ min, max }, i) => ({ step, min: min * factors[i]!, max: max * factors[i]! }));
}

/** The grid that holds the values of all, or undefined. */
export function unionOf(grids: readonly Grid[]): Grid | undefined {
  const same = aligned(grids);
  if (!same) return undefined;
  return {
    step: same[0]!.step,
    min: Math.min(...same.map((grid) => grid.min)),
    max: Math.max(...same.map((grid) => grid.max)),
  };
}

/** `grid`, widened to hold a value; undefined when the value is no integer of it. */
export function widened(grid: Grid, value: number): Grid | undefined {
  const n = integerOf(value, grid);
  if (Math.abs(n * grid.step - value) > Math.abs(value) * RATIO_TOLERANCE) return undefined;
  return { step: grid.step, min: Math.min(grid.min, n), max: Math.max(grid.max, n) };
}

/** Bits of the smallest two's complement (or, for min >= 0, unsigned) integer that holds the grid. */
export function bitsOf(grid: Grid): number {
  const magnitude = Math.max(grid.max, -grid.min - 1, 0);
  const bits = magnitude === 0 ? 0 : Math.floor(Math.log2(magnitude)) + 1;
  return Math.max(1, bits + (grid.min < 0 ? 1 : 0));
}

/** The coarsest grid of a power of two on which all values lie, or undefined when there is none with integers below 2^24. */
export function gridOfValues(values: ArrayLike<number>): Grid | undefined {
  let step = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) return undefined;
    if (value !== 0) step = step === 0 ? lowestBit(value) : Math.min(step, lowestBit(value));
  }
  if (step === 0) return { step: 1, min: 0, max: 0 };
  const grid = rangeOn(values, step);
  return largestInteger(grid) < EXACT_LIMIT ? grid : undefined;
}

/** The grid of values that are known to be integers times `step`. */
export function rangeOn(values: ArrayLike<number>, step: number): Grid {
  let min = 0;
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    const n = Math.round(values[i]! / step);
    min = Math.min(min, n);
    max = Math.max(max, n);
  }
  return { step, min, max };
}

/** The worth of the lowest set bit of a finite, non-zero number. */
function lowestBit(value: number): number {
  let bit = 2 ** Math.floor(Math.log2(Math.abs(value)));
  // A double has 53 significant bits, so this ends.
  while (!Number.isInteger(value / bit)) bit /= 2;
  return bit;
}
