/**
 * Entropy of softmax(logits) in integers: H = ln S + (sum d e^-d) / S with d = max - logit and S = sum e^-d.
 * exp and ln come from tables with a second- and third-order remainder; the result is in 2^-16 nats. This is the definition
 * that the emitted module follows bit for bit; its distance from the true entropy is below ENTROPY_ERROR.
 */

/** Stated bound in nats on |integer entropy - entropy|, for up to 1000 classes. */
export const ENTROPY_ERROR = 1e-3;
/** Beyond this distance from the largest logit, in nats, a class counts as impossible: e^-22 < 2^-31. */
export const EXP_RANGE = 22;
const ONE = 1n << 30n;

const q30 = (x: number): bigint => BigInt(Math.round(x * 2 ** 30));
/** e^-i in 2^-30. */
export const EXP_WHOLE = Array.from({ length: EXP_RANGE }, (_, i) => q30(Math.exp(-i)));
/** e^-(j/64) in 2^-30. */
export const EXP_FRACTION = Array.from({ length: 64 }, (_, j) => q30(Math.exp(-j / 64)));
/** ln(1 + j/64) in 2^-30. */
export const LN_FRACTION = Array.from({ length: 64 }, (_, j) => q30(Math.log(1 + j / 64)));
export const LN_2 = q30(Math.LN2);

/**
 * @param logits integers
 * @param stepExponent a logit is an integer times 2^stepExponent nats
 * @returns entropy in 2^-16 nats
 */
export function integerEntropy(logits: ArrayLike<number>, stepExponent: number): number {
  const values = Array.from(logits);
  const largest = Math.max(...values);
  let sum = 0n;
  let weighted = 0n;
  for (const value of values) {
    const d = toQ16(BigInt(largest - value), stepExponent);
    if (d >= BigInt(EXP_RANGE) << 16n) continue;
    const e = expNegative(d);
    sum += e;
    weighted += e * d;
  }
  return Number((lnQ30(sum) >> 14n) + weighted / sum);
}

function toQ16(difference: bigint, stepExponent: number): bigint {
  const shift = BigInt(16 + stepExponent);
  return shift >= 0n ? difference << shift : difference >> -shift;
}

/** e^-d in 2^-30, d in 2^-16. */
function expNegative(d: bigint): bigint {
  const rest = d & 1023n;
  const table = (EXP_WHOLE[Number(d >> 16n)]! * EXP_FRACTION[Number((d >> 10n) & 63n)]!) >> 30n;
  // e^-x = 1 - x + x^2/2 for x = rest / 2^16 < 2^-6
  return (table * (ONE - (rest << 14n) + ((rest * rest) >> 3n))) >> 30n;
}

/** ln(sum / 2^30) in 2^-30, sum >= 2^30. */
function lnQ30(sum: bigint): bigint {
  const exponent = BigInt(sum.toString(2).length - 31);
  const mantissa = sum >> exponent;
  const j = (mantissa - ONE) >> 24n;
  const base = ONE + (j << 24n);
  // ln(1 + u) = u - u^2/2 + u^3/3 for u < 2^-6
  const u = ((mantissa - base) << 30n) / base;
  const squared = (u * u) >> 30n;
  return exponent * LN_2 + LN_FRACTION[Number(j)]! + u - (squared >> 1n) + ((squared * u) >> 30n) / 3n;
}
