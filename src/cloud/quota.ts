/**
 * How much one device may ask of a worker: a bucket of tokens each, filled at a rate up to a burst. What is beyond it costs a worker little,
 * and the other devices nothing.
 */
import { Recent } from "./recent.ts";

export interface Quota {
  /** Samples a second, and messages that are none; 0: no limit. */
  readonly rate: number;
  /** Samples at once. */
  readonly burst: number;
}

/** What a worker on a broker allows unless told otherwise. */
export const DEFAULT_QUOTA: Quota = { rate: 50, burst: 100 };
export const NO_QUOTA: Quota = { rate: 0, burst: 0 };

/** Devices remembered. A device that is forgotten begins with a full bucket. */
const REMEMBERED = 100_000;
/** Milliseconds in which a device that is over its quota gets one dead letter. */
const TOLD = 10_000;

interface Bucket {
  tokens: number;
  /** When it was last filled, in milliseconds. */
  at: number;
  toldAt: number;
}

export class Quotas {
  readonly #buckets = new Recent<Bucket>(REMEMBERED);

  constructor(readonly quota: Quota) {}

  /** Whether the device may have one more at this time, in milliseconds of any clock that does not go back. */
  take(device: string, now: number): boolean {
    const { rate, burst } = this.quota;
    if (rate === 0) return true;
    const bucket = this.#buckets.get(device) ?? { tokens: burst, at: now, toldAt: -Infinity };
    this.#buckets.set(device, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * rate) / 1000);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Whether it is time to say once more that the device is over its quota; it then counts as said. */
  tell(device: string, now: number): boolean {
    const bucket = this.#buckets.get(device);
    if (bucket === undefined || now - bucket.toldAt < TOLD) return false;
    bucket.toldAt = now;
    return true;
  }
}
