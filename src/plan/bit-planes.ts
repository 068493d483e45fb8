/**
 * Integers of few bits as planes of single bits: n = constant + the sum over planes of coefficient * bit. Planes are bits of the
 * two's complement, the highest counted negatively where n may be negative; bits that are the same in all n are no planes: of +1
 * and -1, which end in 1, the next bit alone remains, n = 1 - 2 * bit.
 */

export interface BitPlane {
  /** Which bit of the two's complement. */
  readonly bit: number;
  /** A power of two, or its negative. */
  readonly coefficient: number;
}

export interface BitPlanes {
  readonly constant: number;
  readonly planes: readonly BitPlane[];
}

/**
 * @param range of the integers
 * @param step a power of two that divides the difference of any two of them
 */
export function bitPlanes({ min, max }: { readonly min: number; readonly max: number }, step: number): BitPlanes {
  const magnitude = Math.max(max, -min - 1);
  const bits = (magnitude > 0 ? Math.floor(Math.log2(magnitude)) + 1 : 0) + (min < 0 ? 1 : 0);
  const first = Math.log2(step);
  const planes = Array.from({ length: Math.max(0, bits - first) }, (_, i) => {
    const bit = first + i;
    return { bit, coefficient: bit === bits - 1 && min < 0 ? -(2 ** bit) : 2 ** bit };
  });
  return { constant: ((min % step) + step) % step, planes };
}

/** The largest power of two that divides the difference of any two of the integers. */
export function commonStep(integers: Iterable<number>): number {
  let first: number | undefined;
  let differences = 0;
  for (const n of integers) {
    first ??= n;
    differences |= n ^ first;
  }
  return differences === 0 ? 1 : differences & -differences;
}
