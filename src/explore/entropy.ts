/** The exit rule in float64: what the module's integer tables are measured against. */

/** Stated error of the module's entropy in nats: closer to the threshold than this, either decision is right. */
export const ENTROPY_TOLERANCE = 1e-3;

/** Index of the largest value, the first of several. */
export function argMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Entropy of softmax(logits) in nats. */
export function entropyOf(logits: ArrayLike<number>): number {
  const top = logits[argMax(logits)]!;
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < logits.length; i++) {
    const gap = logits[i]! - top;
    const weight = Math.exp(gap);
    sum += weight;
    weighted += weight * gap;
  }
  // -sum p log p with log p = gap - log sum.
  return Math.log(sum) - weighted / sum;
}
