/**
 * The samples that wait: a queue for each model, earliest deadline first, and which of them is next.
 */
import { performance } from "node:perf_hooks";
import type { BatchSizes } from "./invariance.ts";
import type { CloudModel } from "./member.ts";

/** A sample on its way through a model. */
export interface Waiting {
  readonly device: string;
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
  /** Milliseconds of its longest batch that went well. */
  longest = 0;
  /** Batches in processes, and samples that are run by themselves. */
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
    // Devices mostly give their samples the same time, so most belong at the end.
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

/** The queues of all models. Models take turns by the time that they have had. */
export class Queues {
  readonly #queues = new Map<number, ModelQueue>();

  /** `maxDelay`: milliseconds that samples are held back for others to fill their batch. */
  constructor(private readonly maxDelay: number) {}

  [Symbol.iterator](): Iterator<ModelQueue> {
    return this.#queues.values();
  }

  open(model: CloudModel, sizes: BatchSizes): void {
    this.#queues.set(model.id, new ModelQueue(model, sizes));
  }

  of(model: CloudModel): ModelQueue | undefined {
    return this.#queues.get(model.id);
  }

  close(model: CloudModel): void {
    this.#queues.delete(model.id);
  }

  /** Of payloads that wait. */
  get bytes(): number {
    let bytes = 0;
    for (const queue of this) bytes += queue.length * queue.model.payload.bytes;
    return bytes;
  }

  add(queue: ModelQueue, sample: Waiting): void {
    if (queue.length === 0) {
      // Its model has no claim to the time that others had while nothing waited for it.
      const used = [...this].filter(({ length }) => length > 0).map((other) => other.used);
      if (used.length > 0) queue.used = Math.max(queue.used, Math.min(...used));
    }
    queue.add(sample);
  }

  /** The queue whose batch is next; while samples are held back in how many milliseconds to ask again. */
  next(): ModelQueue | number | undefined {
    const now = performance.now();
    let next: ModelQueue | undefined;
    let soonest = Infinity;
    for (const queue of this) {
      if (queue.length === 0 || (next !== undefined && next.used <= queue.used)) continue;
      const full = this.maxDelay === 0 || queue.length >= queue.sizes.most;
      const held = full ? 0 : queue.since + this.maxDelay - now;
      if (held > 0) soonest = Math.min(soonest, held);
      else next = queue;
    }
    return next ?? (soonest < Infinity ? soonest : undefined);
  }
}
