/**
 * The samples that wait for one model, earliest deadline first.
 */
import type { BatchSizes } from "./invariance.ts";
import type { CloudModel } from "./member.ts";

/** A sample on its way through a model. */
export interface Waiting {
  readonly payload: Uint8Array;
  /** Milliseconds from the epoch. */
  readonly deadline: number;
  /** By `performance.now`. */
  readonly arrived: number;
  /** Its logits; undefined when its deadline passed before its turn. */
  readonly resolve: (logits: Float32Array | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class ModelQueue {
  readonly #waiting: Waiting[] = [];
  /** Milliseconds of processes that it has had: the queue that had least is next. */
  used = 0;
  /** Batches in processes, and samples out of batches that failed. */
  running = 0;
  /** No sample comes any more. */
  leaving = false;

  constructor(
    readonly model: CloudModel,
    readonly sizes: BatchSizes,
  ) {}

  get length(): number {
    return this.#waiting.length;
  }

  /** When the sample that waits longest came, by `performance.now`; Infinity when none waits. */
  get since(): number {
    return this.#waiting.reduce((since, { arrived }) => Math.min(since, arrived), Infinity);
  }

  add(sample: Waiting): void {
    // Those of one device mode have one span to live, so most belong at the end.
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1] as Waiting).deadline > sample.deadline) at--;
    this.#waiting.splice(at, 0, sample);
  }

  /** At most a batch of those that are first. */
  take(): Waiting[] {
    return this.#waiting.splice(0, this.sizes.most);
  }

  /** Takes out those whose deadline is before `now`. */
  takeExpired(now: number): Waiting[] {
    const kept = this.#waiting.findIndex(({ deadline }) => deadline >= now);
    return this.#waiting.splice(0, kept < 0 ? this.#waiting.length : kept);
  }
}
