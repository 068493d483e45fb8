/** Counting samples. */
import { DROP_REASONS, FALLBACK_REASONS, type Tally } from "./result.ts";

const zeros = <Reason extends string>(reasons: readonly Reason[]) =>
  Object.fromEntries(reasons.map((reason) => [reason, 0])) as Record<Reason, number>;

export function emptyTally(): Tally {
  return {
    arrivals: 0,
    dropped: zeros(DROP_REASONS),
    exited: 0,
    cloud: 0,
    fallback: zeros(FALLBACK_REASONS),
    right: { exited: 0, cloud: 0, fallback: 0 },
    frames: 0,
    bytesUp: 0,
    bytesDown: 0,
  };
}

export function sumOf(tallies: Iterable<Tally>): Tally {
  const sum = emptyTally();
  for (const tally of tallies) {
    sum.arrivals += tally.arrivals;
    for (const reason of DROP_REASONS) sum.dropped[reason] += tally.dropped[reason];
    sum.exited += tally.exited;
    sum.cloud += tally.cloud;
    for (const reason of FALLBACK_REASONS) sum.fallback[reason] += tally.fallback[reason];
    for (const by of ["exited", "cloud", "fallback"] as const) sum.right[by] += tally.right[by];
    sum.frames += tally.frames;
    sum.bytesUp += tally.bytesUp;
    sum.bytesDown += tally.bytesDown;
  }
  return sum;
}
