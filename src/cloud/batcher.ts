/**
 * Dynamic batching: whenever a process is free it gets what is queued for a model, at most a batch. Models take turns by the time that they have
 * had. A sample of a batch that a process died over is run by itself, and given up when processes die over it alone.
 */
import { performance } from "node:perf_hooks";
import type { BatchSizes } from "./invariance.ts";
import { type CloudModel, type Member, MemberDied, type MemberLimits } from "./member.ts";
import type { Observer } from "./observer.ts";
import { Pool } from "./pool.ts";
import { ModelQueue, type Waiting } from "./queue.ts";

export interface BatcherOptions {
  /** Processes that run batches at a time. One more is kept: it steps in for one that dies or hangs, and runs what may end it. */
  readonly processes: number;
  /** Milliseconds that samples may be held back for others to fill their batch. */
  readonly maxDelay: number;
  readonly limits: MemberLimits;
  readonly observer: Observer;
}

/** How often a sample is begun when the process that runs it dies. */
const MAX_STARTS = 3;
/** Milliseconds after which a batch does not count as one of those that may run at a time: it may hang, and others need not. */
const PATIENCE = 2_000;
/** Milliseconds between looks for samples whose deadline passed while no process was free. */
const SWEEP = 100;
/** Bytes of payloads that may wait. Far beyond what one broker's connection has in flight. */
const WAITING_LIMIT = 256 << 20;

const STOPPED = new Error("the worker stops");

/** More samples wait than may. */
export class Overfull extends Error {}

/** What may end the process that runs it: a sample out of a batch that failed, or a model that is tried. */
interface Risk {
  readonly model: CloudModel;
  /** None: the model is only loaded. */
  readonly payloads: readonly Uint8Array[];
  readonly size: number;
  /** How often it may still be begun. */
  starts: number;
  /** The sample that this is. */
  readonly sample?: Waiting;
  /** Undefined when its deadline passed. */
  readonly resolve: (rows: Float32Array[] | undefined) => void;
  readonly reject: (error: Error) => void;
}

export interface BatcherStatus {
  /** By the model's id: samples that wait, and for how many milliseconds the first of them has. */
  readonly queues: ReadonlyMap<number, { readonly waiting: number; readonly oldestMs: number }>;
  readonly processes: { readonly alive: number; readonly deaths: number };
}

export class Batcher {
  readonly #pool: Pool;
  readonly #queues = new Map<number, ModelQueue>();
  readonly #risks: Risk[] = [];
  #atRisk = false;
  /** Batches in processes that have not run out of patience. */
  #running = 0;
  /** Of payloads that wait. */
  #bytes = 0;
  #wake: NodeJS.Timeout | undefined;
  readonly #sweep = setInterval(() => this.#answerExpired(), SWEEP).unref();
  #closed = false;

  private constructor(private readonly options: BatcherOptions) {
    this.#pool = new Pool(options.processes + 1, options.limits, () => this.#dispatch());
  }

  /** @throws HedgeError (input) when the processes do not start */
  static async open(options: BatcherOptions): Promise<Batcher> {
    const batcher = new Batcher(options);
    try {
      await batcher.#pool.open();
    } catch (error) {
      clearInterval(batcher.#sweep);
      throw error;
    }
    return batcher;
  }

  /** Serves the model from now on, in batches of these sizes. */
  add(model: CloudModel, sizes: BatchSizes): void {
    this.#queues.set(model.id, new ModelQueue(model, sizes));
  }

  /** Has all processes load a model that is served. */
  preload(model: CloudModel): Promise<void> {
    return this.#pool.preload(model);
  }

  /** After an attempt: the processes let a model go that is not served. */
  forget(model: CloudModel): void {
    this.#pool.drop(model);
  }

  /** Serves the model no more: what waits for it is still run, then the processes let it go. */
  remove(model: CloudModel): void {
    const queue = this.#queues.get(model.id);
    if (queue === undefined) return;
    queue.leaving = true;
    this.#letGo(queue);
  }

  /**
   * The logits of a sample; undefined when its deadline (milliseconds from the epoch) passes before its turn. Rejects with the reason when the
   * model cannot be run on it, with an Overfull when too much waits.
   */
  infer(model: CloudModel, payload: Uint8Array, deadline: number): Promise<Float32Array | undefined> {
    const queue = this.#queues.get(model.id);
    if (queue === undefined || this.#closed) return Promise.reject(STOPPED);
    if (this.#bytes + payload.length > WAITING_LIMIT) return Promise.reject(new Overfull("too many samples wait"));
    return new Promise((resolve, reject) => {
      // A queue that was empty has no claim to the time that others had meanwhile.
      if (queue.length === 0) queue.used = Math.max(queue.used, this.#leastUsed());
      queue.add({ payload, deadline, arrived: performance.now(), resolve, reject });
      this.#bytes += payload.length;
      this.#dispatch();
    });
  }

  /**
   * Runs the model, served or not yet, on exactly this batch; without payloads it is only loaded. Rejects with what is against it.
   */
  attempt(model: CloudModel, payloads: readonly Uint8Array[]): Promise<Float32Array[]> {
    return new Promise((resolve, reject) => {
      const done = (rows: Float32Array[] | undefined) => resolve(rows ?? []);
      this.#addRisk({ model, payloads, size: payloads.length, starts: 1, resolve: done, reject });
    });
  }

  status(): BatcherStatus {
    const now = performance.now();
    return {
      queues: new Map(
        [...this.#queues].map(([id, queue]) => [
          id,
          { waiting: queue.length, oldestMs: queue.length === 0 ? 0 : now - queue.since },
        ]),
      ),
      processes: { alive: this.#pool.alive, deaths: this.#pool.deaths },
    };
  }

  /** Ends the processes; what is not done is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#wake);
    clearInterval(this.#sweep);
    for (const queue of this.#queues.values()) {
      for (const sample of queue.takeExpired(Infinity)) sample.reject(STOPPED);
    }
    for (const risk of this.#risks.splice(0)) risk.reject(STOPPED);
    await this.#pool.close();
  }

  #dispatch(): void {
    if (this.#closed) return;
    // Only while all processes are up: when one ends over it, the others suffice for the rest.
    if (this.#risks.length > 0 && !this.#atRisk && this.#pool.alive === this.#pool.size && this.#pool.idle > 0) {
      void this.#takeRisk(this.#risks.shift() as Risk);
    }
    while (this.#running < this.options.processes && this.#pool.idle > 0) {
      this.#answerExpired();
      const queue = this.#nextQueue();
      if (queue === undefined) return;
      void this.#runBatch(queue, queue.take());
    }
  }

  /** Of those with a batch to run the one that had least time. */
  #nextQueue(): ModelQueue | undefined {
    const { maxDelay } = this.options;
    const now = performance.now();
    let next: ModelQueue | undefined;
    let soonest = Infinity;
    for (const queue of this.#queues.values()) {
      if (queue.length === 0 || (next !== undefined && next.used <= queue.used)) continue;
      const held = maxDelay > 0 && queue.length < queue.sizes.most ? queue.since + maxDelay - now : 0;
      if (held > 0) soonest = Math.min(soonest, held);
      else next = queue;
    }
    if (next === undefined && soonest < Infinity) {
      this.#wake ??= setTimeout(() => {
        this.#wake = undefined;
        this.#dispatch();
      }, soonest);
    }
    return next;
  }

  #leastUsed(): number {
    let least = Infinity;
    for (const queue of this.#queues.values()) if (queue.length > 0) least = Math.min(least, queue.used);
    return least === Infinity ? 0 : least;
  }

  async #runBatch(queue: ModelQueue, batch: readonly Waiting[]): Promise<void> {
    const { model, sizes } = queue;
    const member = this.#pool.claim(model) as Member;
    const began = performance.now();
    const queueMs = began - batch.reduce((first, { arrived }) => Math.min(first, arrived), began);
    for (const { payload } of batch) this.#bytes -= payload.length;
    queue.running++;
    this.#running++;
    let patient = true;
    const stopCounting = () => {
      if (patient) this.#running--;
      patient = false;
    };
    const patience = setTimeout(() => {
      stopCounting();
      this.#dispatch();
    }, PATIENCE);
    let failed = false;
    try {
      const payloads = batch.map(({ payload }) => payload);
      const rows = await member.run(model, payloads, Math.max(sizes.least, batch.length));
      for (const [i, sample] of batch.entries()) sample.resolve(rows[i]);
      this.#pool.release(member);
    } catch (error) {
      failed = true;
      this.#separate(queue, batch, member, error as Error);
    }
    clearTimeout(patience);
    stopCounting();
    queue.running--;
    const runMs = performance.now() - began;
    queue.used += runMs;
    this.options.observer.batch?.({ model: model.digest, size: batch.length, queueMs, runMs, failed });
    this.#letGo(queue);
    this.#dispatch();
  }

  /** After a failure nobody knows which sample of the batch was the cause. */
  #separate(queue: ModelQueue, batch: readonly Waiting[], member: Member, error: Error): void {
    const died = error instanceof MemberDied;
    if (!died) this.#pool.release(member);
    for (const sample of batch) {
      if (died || batch.length > 1) this.#runAlone(queue, sample);
      else sample.reject(error);
    }
  }

  #runAlone(queue: ModelQueue, sample: Waiting): void {
    const { model, sizes } = queue;
    queue.running++;
    const leave = () => {
      queue.running--;
      this.#letGo(queue);
    };
    this.#addRisk({
      model,
      payloads: [sample.payload],
      size: sizes.least,
      starts: MAX_STARTS - 1,
      sample,
      resolve: (rows) => {
        leave();
        sample.resolve(rows?.[0]);
      },
      reject: (error) => {
        leave();
        sample.reject(error);
      },
    });
  }

  #addRisk(risk: Risk): void {
    if (this.#closed) risk.reject(STOPPED);
    else this.#risks.push(risk);
    this.#dispatch();
  }

  async #takeRisk(risk: Risk): Promise<void> {
    const { model, payloads, size, sample } = risk;
    this.#atRisk = true;
    const member = this.#pool.claim(model) as Member;
    const began = performance.now();
    risk.starts--;
    let failure: Error | undefined;
    try {
      await member.load(model);
      risk.resolve(payloads.length === 0 ? [] : await member.run(model, payloads, size));
    } catch (error) {
      failure = error as Error;
    }
    this.#atRisk = false;
    const died = failure instanceof MemberDied;
    if (!died) this.#pool.release(member);
    if (died && risk.starts > 0 && !this.#closed) this.#risks.push(risk);
    else if (failure !== undefined) risk.reject(failure);
    if (sample !== undefined) {
      const runMs = performance.now() - began;
      const queueMs = began - sample.arrived;
      this.options.observer.batch?.({ model: model.digest, size: 1, queueMs, runMs, failed: failure !== undefined });
    }
    this.#dispatch();
  }

  /** Also those that wait for a process that does not come. */
  #answerExpired(): void {
    const now = Date.now();
    for (const queue of this.#queues.values()) {
      for (const sample of queue.takeExpired(now)) {
        this.#bytes -= sample.payload.length;
        sample.resolve(undefined);
      }
      this.#letGo(queue);
    }
    for (let i = this.#risks.length - 1; i >= 0; i--) {
      const risk = this.#risks[i] as Risk;
      if (risk.sample === undefined || risk.sample.deadline >= now) continue;
      this.#risks.splice(i, 1);
      risk.resolve(undefined);
    }
  }

  #letGo(queue: ModelQueue): void {
    if (!queue.leaving || queue.length > 0 || queue.running > 0) return;
    this.#queues.delete(queue.model.id);
    this.#pool.drop(queue.model);
  }
}
