/** Percentiles of millions of values in little memory. */
import { type Distribution, type Percentiles, QUANTILES } from "./result.ts";

/** Values kept as they are; beyond, they are counted in buckets. */
const EXACT = 512;
/** Bits of the mantissa that tell buckets apart: a bucket's middle is off by 2^-8 of a value at most, 0.4 %. */
const MANTISSA_BITS = 7;

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
/** Of the two words that a number is made of, the one with its exponent. */
const HIGH = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/**
 * Values of 0 or more. Exact while they are few; then to 0.4 %, whatever their magnitude: buckets are powers of two, split evenly, read off
 * a number's own bits. Count, mean, smallest and largest are always exact.
 */
export class Histogram {
  #values: number[] | undefined = [];
  #buckets = new Map<number, number>();
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#count++;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    if (this.#values === undefined) this.#fill(value, 1);
    else {
      this.#values.push(value);
      if (this.#values.length > EXACT) this.#spill();
    }
  }

  merge(other: Histogram): void {
    if (other.#values !== undefined) {
      for (const value of other.#values) this.add(value);
      return;
    }
    this.#spill();
    for (const [bucket, count] of other.#buckets) this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count);
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** Undefined where nothing was added. A percentile is the smallest value that so many of all do not exceed. */
  percentiles(): Percentiles | undefined {
    if (this.#count === 0) return undefined;
    const [p50, p90, p99] = this.#at([50, 90, 99]) as [number, number, number];
    return { count: this.#count, mean: this.#sum / this.#count, p50, p90, p99, max: this.#max };
  }

  distribution(): Distribution | undefined {
    const percentiles = this.percentiles();
    if (percentiles === undefined) return undefined;
    const percents = Array.from({ length: QUANTILES }, (_, i) => (100 * i) / (QUANTILES - 1));
    return { ...percentiles, quantiles: this.#at(percents) };
  }

  /** Quantiles of ascending shares, in percent: as whole numbers they make exact ranks. */
  #at(percents: readonly number[]): number[] {
    const steps = this.#values
      ? this.#values.toSorted((a, b) => a - b).map((value): [number, number] => [value, 1])
      : [...this.#buckets]
          .sort(([a], [b]) => a - b)
          .map(([bucket, count]): [number, number] => [middle(bucket), count]);
    let place = 0;
    let reached = steps[0]![1];
    return percents.map((percent) => {
      const rank = Math.max(1, Math.ceil((percent * this.#count) / 100));
      while (reached < rank) reached += steps[++place]![1];
      // The ends are known exactly.
      if (rank === 1) return this.#min;
      if (rank === this.#count) return this.#max;
      return Math.min(Math.max(steps[place]![0], this.#min), this.#max);
    });
  }

  #spill(): void {
    for (const value of this.#values ?? []) this.#fill(value, 1);
    this.#values = undefined;
  }

  #fill(value: number, count: number): void {
    const bucket = bucketOf(value);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count);
  }
}

function bucketOf(value: number): number {
  float[0] = value;
  return words[HIGH]! >>> (20 - MANTISSA_BITS);
}

function middle(bucket: number): number {
  if (bucket === 0) return 0;
  words[HIGH] = (bucket << (20 - MANTISSA_BITS)) | (1 << (19 - MANTISSA_BITS));
  words[1 - HIGH] = 0;
  return float[0]!;
}
