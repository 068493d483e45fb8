/** What became of every sample of a load. */

/** How a sample ended at its device. */
export const ENDS = ["right", "wrong", "unanswered"] as const;
export type End = (typeof ENDS)[number];

/** What the devices of a load saw; entry i belongs to sample i, in the order in which they ended. */
export interface LoadLog {
  /** When it was handed to its device: milliseconds from the epoch. */
  readonly at: Float64Array;
  /** Until its device had the answer, waiting for its turn included. */
  readonly ms: Float64Array;
  /** Its place in ENDS. */
  readonly ends: Uint8Array;
  /** Handed to devices. Those without an end: `offered - at.length`. */
  readonly offered: number;
  /** Offload frames. */
  readonly frames: number;
  /** Results for samples that had theirs, ignored by their devices. */
  readonly repeats: number;
  /** Results that contradict an earlier one of the same sample: another label, or another confidence. */
  readonly conflicts: number;
  /** Unanswered samples of which a worker said that they are expired or refused. */
  readonly told: number;
  /** Milliseconds that the load's own event loop was late, 99th percentile. */
  readonly lag: number;
}

export interface Span {
  /** Milliseconds from the epoch. */
  readonly from: number;
  readonly to: number;
}

/** Figures of the samples that were handed to their devices within a span. */
export interface SpanFigures {
  readonly samples: number;
  readonly right: number;
  readonly wrong: number;
  readonly unanswered: number;
  /** Right answers per second. */
  readonly throughput: number;
  /** Milliseconds, of right answers. */
  readonly p50: number;
  readonly p99: number;
}

/** @param spans one or several; several are taken together */
export function figuresOf(log: LoadLog, ...spans: readonly Span[]): SpanFigures {
  const counts: Record<End, number> = { right: 0, wrong: 0, unanswered: 0 };
  const ms: number[] = [];
  for (const [i, at] of log.at.entries()) {
    if (!spans.some(({ from, to }) => at >= from && at < to)) continue;
    const end = ENDS[log.ends[i] as number] as End;
    counts[end]++;
    if (end === "right") ms.push(log.ms[i] as number);
  }
  const seconds = spans.reduce((sum, { from, to }) => sum + (to - from) / 1_000, 0);
  const [p50, p99] = [percentile(ms, 50), percentile(ms, 99)];
  return {
    samples: counts.right + counts.wrong + counts.unanswered,
    ...counts,
    throughput: ms.length / seconds,
    p50,
    p99,
  };
}

/** The span of a deed. */
export async function during(act: () => Promise<unknown>): Promise<Span> {
  const from = Date.now();
  await act();
  return { from, to: Date.now() };
}

export const ALWAYS: Span = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** The smallest value that `percent` of them do not exceed; NaN of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
