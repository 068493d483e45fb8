/**
 * Dynamic batching: whenever a process is free it gets what is queued for a model, at most a batch. Models take turns by the time that they have
 * had. A sample of a batch that a process died over is run by itself, and given up when processes die over it alone.
 */
import { performance } from "node:perf_hooks";
import type { BatchSizes } from "./invariance.ts";
import { type CloudModel, type Member, MemberDied, type MemberLimits } from "./member.ts";
import type { Observer } from "./observer.ts";
import { Pool } from "./pool.ts";
import { type ModelQueue, Queues, type Waiting } from "./queue.ts";
import { RiskLane } from "./risk-lane.ts";

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
/** A batch hangs when it takes so many times as long as the longest that went well, but not before so many milliseconds. */
const SLACK = 20;
const LEAST_RUN_TIME = 5_000;
/** Milliseconds between looks for samples whose deadline passed while no process was free. */
const SWEEP = 100;
/** Bytes of payloads that may wait. Far beyond what one broker's connection has in flight. */
const WAITING_LIMIT = 256 << 20;

const STOPPED = new Error("the worker stops");

/** More samples wait than may. */
export class Overfull extends Error {}

export interface BatcherStatus {
  /** By the model's id: samples that wait, and for how many milliseconds the first of them has. */
  readonly queues: ReadonlyMap<number, { readonly waiting: number; readonly oldestMs: number }>;
  readonly processes: { readonly alive: number; readonly deaths: number };
}

export class Batcher {
  readonly #pool: Pool;
  readonly #queues: Queues;
  readonly #risks: RiskLane;
  /** Batches in processes that have not run out of patience. */
  #running = 0;
  #wake: NodeJS.Timeout | undefined;
  readonly #sweep = setInterval(() => this.#answerExpired(), SWEEP).unref();
  #closed = false;

  private constructor(private readonly options: BatcherOptions) {
    this.#queues = new Queues(options.maxDelay);
    this.#pool = new Pool(options.processes + 1, options.limits, () => this.#dispatch());
    this.#risks = new RiskLane(this.#pool, options.observer, () => this.#dispatch());
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
    this.#queues.open(model, sizes);
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
    const queue = this.#queues.of(model);
    if (queue === undefined) return;
    queue.leaving = true;
    this.#letGo(queue);
  }

  /**
   * The logits of a device's sample; undefined when its deadline (milliseconds from the epoch) passes before its turn. Rejects with the reason
   * when the model cannot be run on it, with an Overfull when too much waits.
   */
  infer(model: CloudModel, payload: Uint8Array, deadline: number, device: string): Promise<Float32Array | undefined> {
    const queue = this.#queues.of(model);
    if (queue === undefined || this.#closed) return Promise.reject(STOPPED);
    const suspect = this.#risks.suspects(device);
    if (this.#queues.bytes + payload.length > WAITING_LIMIT || (suspect && this.#risks.full)) {
      return Promise.reject(new Overfull("too many samples wait"));
    }
    return new Promise((resolve, reject) => {
      const sample = { device, payload, deadline, arrived: performance.now(), resolve, reject };
      if (suspect) this.#runAlone(queue, sample, 1);
      else this.#queues.add(queue, sample);
      this.#dispatch();
    });
  }

  /**
   * Runs the model, served or not yet, on exactly this batch; without payloads it is only loaded. Rejects with what is against it.
   */
  attempt(model: CloudModel, payloads: readonly Uint8Array[]): Promise<Float32Array[]> {
    return new Promise((resolve, reject) => {
      const done = (rows: Float32Array[] | undefined) => resolve(rows ?? []);
      this.#risks.add({ model, payloads, size: payloads.length, starts: 1, resolve: done, reject });
      this.#dispatch();
    });
  }

  status(): BatcherStatus {
    const now = performance.now();
    const queues = new Map<number, { waiting: number; oldestMs: number }>();
    for (const queue of this.#queues) {
      const oldestMs = queue.length === 0 ? 0 : now - queue.since;
      queues.set(queue.model.id, { waiting: queue.length, oldestMs });
    }
    return { queues, processes: { alive: this.#pool.alive, deaths: this.#pool.deaths } };
  }

  /** Ends the processes; what is not done is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#wake);
    clearInterval(this.#sweep);
    for (const queue of this.#queues) {
      for (const sample of queue.takeExpired(Infinity)) sample.reject(STOPPED);
    }
    this.#risks.close(STOPPED);
    await this.#pool.close();
  }

  #dispatch(): void {
    if (this.#closed) return;
    this.#risks.dispatch();
    while (this.#running < this.options.processes && this.#pool.idle > 0) {
      this.#answerExpired();
      const next = this.#queues.next();
      if (next === undefined) return;
      if (typeof next === "number") {
        this.#wake ??= setTimeout(() => {
          this.#wake = undefined;
          this.#dispatch();
        }, next);
        return;
      }
      void this.#runBatch(next, next.take());
    }
  }

  async #runBatch(queue: ModelQueue, batch: readonly Waiting[]): Promise<void> {
    const { model, sizes } = queue;
    const member = this.#pool.claim(model) as Member;
    const began = performance.now();
    const queueMs = began - batch.reduce((first, { arrived }) => Math.min(first, arrived), began);
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
      const limit = queue.longest === 0 ? Infinity : Math.max(LEAST_RUN_TIME, SLACK * queue.longest);
      const rows = await member.run(model, payloads, Math.max(sizes.least, batch.length), limit);
      queue.longest = Math.max(queue.longest, performance.now() - began);
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
      if (died || batch.length > 1) this.#runAlone(queue, sample, MAX_STARTS - 1);
      else sample.reject(error);
    }
  }

  #runAlone(queue: ModelQueue, sample: Waiting, starts: number): void {
    const { model, sizes } = queue;
    queue.running++;
    const leave = () => {
      queue.running--;
      this.#letGo(queue);
    };
    this.#risks.add({
      model,
      payloads: [sample.payload],
      size: sizes.least,
      starts,
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

  /** Also those that wait for a process that does not come. */
  #answerExpired(): void {
    const now = Date.now();
    for (const queue of this.#queues) {
      for (const sample of queue.takeExpired(now)) sample.resolve(undefined);
      this.#letGo(queue);
    }
    this.#risks.expire(now);
  }

  #letGo(queue: ModelQueue): void {
    if (!queue.leaving || queue.length > 0 || queue.running > 0) return;
    this.#queues.close(queue.model);
    this.#pool.drop(queue.model);
  }
}
