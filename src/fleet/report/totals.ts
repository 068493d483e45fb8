/** Shares and sums that follow from a tally. */
import type { Tally } from "../result.ts";

export interface Totals {
  readonly answered: number;
  readonly offloaded: number;
  /** Offloaded, and answered by the exit in the end. */
  readonly unconfirmed: number;
  readonly dropped: number;
  /** Of the answered samples, those that the device was sure of; undefined where none was answered. */
  readonly coverage: number | undefined;
  /** Of the answered samples, those with the right label. */
  readonly accuracy: number | undefined;
  /** Both ways together, for each answered sample. */
  readonly bytesPerSample: number | undefined;
}

export const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

export function totals(tally: Tally): Totals {
  const unconfirmed = sum(tally.fallback);
  const offloaded = tally.cloud + unconfirmed;
  const answered = tally.exited + offloaded;
  const share = (part: number) => (answered === 0 ? undefined : part / answered);
  return {
    answered,
    offloaded,
    unconfirmed,
    dropped: sum(tally.dropped),
    coverage: share(tally.exited),
    accuracy: share(sum(tally.right)),
    bytesPerSample: share(tally.bytesUp + tally.bytesDown),
  };
}
