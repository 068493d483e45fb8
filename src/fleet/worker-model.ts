/** One worker in virtual time: takes what is queued, at most a batch, and answers when the batch is through. */
import type { ResultState } from "../wire/frames.ts";
import type { Answers } from "./answers.ts";
import type { Ledger } from "./ledger.ts";
import type { Offload, Reply } from "./offload.ts";
import type { CloudSpec } from "./spec-cloud.ts";
import type { Timeline } from "./timeline.ts";

/** What a worker has to do for an offload. */
export interface Job {
  readonly offload: Offload;
  readonly worker: Worker;
  /** The worker's, which forgets everything when it ends. */
  readonly life: number;
  /** When it came to the worker. */
  readonly came: number;
  /** Frames that ask for it: each is answered. */
  frames: number;
  verdict: ResultState | undefined;
  label: number;
}

export class Worker {
  up = true;
  #life = 0;
  #busy = false;
  /** By bundle, in order of arrival. */
  #queues = new Map<number, Job[]>();
  #queued = 0;
  /** When a batch that waits for more is started at the latest. */
  #wakes = Number.NEGATIVE_INFINITY;

  /** @param waits so many more samples wait (or fewer) */
  constructor(
    private readonly spec: CloudSpec,
    private readonly timeline: Timeline,
    private readonly ledger: Ledger,
    private readonly answers: Answers,
    private readonly waits: (change: number) => void,
  ) {}

  /** The process ends: what it held is lost, and what it remembers. */
  end(): void {
    this.up = false;
    this.forget();
  }

  start(): void {
    this.up = true;
  }

  forget(): void {
    this.#life++;
    this.#busy = false;
    this.waits(-this.#queued);
    this.#queued = 0;
    this.#queues.clear();
  }

  /** A frame has come. */
  take(offload: Offload): void {
    const { now } = this.timeline;
    const before = offload.jobs.find((job) => job.worker === this && job.life === this.#life);
    if (before !== undefined) {
      if (before.verdict === undefined) before.frames++;
      else this.#reply(before, before.verdict, 0);
      return;
    }
    const job = { offload, worker: this, life: this.#life, came: now, frames: 1, verdict: undefined, label: 0 };
    if (now > offload.deadline) {
      offload.jobs.push(job);
      this.#settle(job, "expired");
      return;
    }
    if (this.#queued >= this.spec.queue) return;
    offload.jobs.push(job);
    const queue = this.#queues.get(offload.bundle);
    if (queue === undefined) this.#queues.set(offload.bundle, [job]);
    else queue.push(job);
    this.#queued++;
    this.waits(1);
    this.#next();
  }

  /** Starts the batch that is due, if any. */
  #next(): void {
    if (this.#busy) return;
    let oldest: Job[] | undefined;
    for (const queue of this.#queues.values())
      if (oldest === undefined || queue[0]!.came < oldest[0]!.came) oldest = queue;
    if (oldest === undefined) return;
    const { maxBatch, maxDelay } = this.spec;
    const due = oldest[0]!.came + maxDelay;
    if (oldest.length < maxBatch && this.timeline.now < due) {
      if (this.#wakes < due) {
        this.#wakes = due;
        this.timeline.at(due, Worker.#wake, this);
      }
      return;
    }
    this.#run(oldest);
  }

  static #wake(worker: Worker): void {
    worker.#next();
  }

  #run(queue: Job[]): void {
    const { now } = this.timeline;
    const taken = queue.splice(0, this.spec.maxBatch);
    if (queue.length === 0) this.#queues.delete(taken[0]!.offload.bundle);
    this.#queued -= taken.length;
    this.waits(-taken.length);
    const batch = taken.filter((job) => now <= job.offload.deadline);
    for (const job of taken) if (now > job.offload.deadline) this.#settle(job, "expired");
    if (batch.length === 0) {
      this.#next();
      return;
    }
    // Asked for now and waited for when the batch is through: meanwhile others are computed.
    for (const { offload } of batch) this.answers.cloud(offload.bundle, offload.place);
    const time = this.spec.batch + this.spec.sample * batch.length;
    const waits = batch.map(({ came }) => now - came);
    this.ledger.batch(now, waits, time);
    this.#busy = true;
    this.timeline.at(now + time, Worker.#done, { worker: this, life: this.#life, batch });
  }

  static async #done(run: { readonly worker: Worker; readonly life: number; readonly batch: readonly Job[] }) {
    const { worker, life, batch } = run;
    if (life !== worker.#life) return;
    for (const job of batch) {
      const label = worker.answers.cloud(job.offload.bundle, job.offload.place);
      job.label = typeof label === "number" ? label : await label;
    }
    worker.#busy = false;
    for (const job of batch) worker.#settle(job, "answered");
    worker.#next();
  }

  #settle(job: Job, verdict: ResultState): void {
    job.verdict = verdict;
    const ms = Math.round(this.timeline.now - job.came);
    for (; job.frames > 0; job.frames--) this.#reply(job, verdict, ms);
  }

  #reply({ offload, label }: Job, state: ResultState, ms: number): void {
    const { timeline, spec } = this;
    timeline.at(timeline.now + spec.latency, Worker.#send, { offload, state, label, ms });
  }

  static #send(reply: Reply): void {
    reply.offload.offering.reply(reply);
  }
}
