/** Scales of quantisers, from values or from what random values reach. */

/** Values beyond so many standard deviations saturate. */
const REACH = 3;

/** Largest integer of a quantiser with a symmetric (signed) or a full unsigned range. */
export function highest(bits: number, signed: boolean): number {
  return signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
}

/** Scale of an activation of the given power: of its sign for one bit, of integers otherwise. */
export function activationScale(power: number, bits: number, signed: boolean): number {
  const deviation = Math.sqrt(power);
  return bits === 1 && signed ? deviation : (REACH * deviation) / highest(bits, signed);
}

/** Scale of each row of weights: their mean magnitude for one bit, what their largest needs otherwise. */
export function weightScales(values: Float32Array, rows: number, bits: number): number[] {
  const length = values.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const magnitudes = values.subarray(row * length, (row + 1) * length).map(Math.abs);
    if (bits === 1) return magnitudes.reduce((sum, v) => sum + v, 0) / length;
    return Math.max(...magnitudes) / highest(bits, true);
  });
}

/** The largest power of two up to x. */
export function powerOfTwo(x: number): number {
  return 2 ** Math.floor(Math.log2(x));
}
