/**
 * The worker tier in virtual time: a broker that shares frames out to workers in turn, and workers that batch as src/cloud does. Labels come
 * from the real cloud part.
 */
import type { ResultState } from "../wire/frames.ts";
import type { Answers } from "./answers.ts";
import type { Ledger } from "./ledger.ts";
import type { Offload } from "./offload.ts";
import { type Outage, Outages } from "./outages.ts";
import { Streams } from "./random.ts";
import type { CloudSpec } from "./spec-cloud.ts";
import type { Timeline } from "./timeline.ts";
import { Worker } from "./worker-model.ts";

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

export class CloudModel {
  /** The broker's; devices lose their connection with it. */
  readonly brokerOutages: Outages;
  readonly #workers: readonly Worker[];
  #turn = 0;
  #waiting = 0;

  constructor(
    private readonly spec: CloudSpec,
    seed: number,
    private readonly timeline: Timeline,
    private readonly ledger: Ledger,
    answers: Answers,
  ) {
    const streams = new Streams(seed, spec.workers + 1, (stream) => ["cloud", stream]);
    const outages = (outagesSpec: CloudSpec["outages"], stream: number) =>
      new Outages(outagesSpec, (mean) => streams.exponential(stream, mean));
    this.brokerOutages = outages(spec.brokerOutages, spec.workers);
    const waits = (change: number) => this.#waits(change);
    this.#workers = Array.from({ length: spec.workers }, (_, i) => {
      const worker = new Worker(spec, timeline, ledger, answers, waits);
      this.#follow(outages(spec.outages, i), 0, {
        from: () => worker.end(),
        to: () => worker.start(),
      });
      return worker;
    });
    // What the broker holds for workers goes with it.
    this.#follow(this.brokerOutages, 0, {
      from: () => {
        for (const worker of this.#workers) worker.forget();
      },
      to: () => {},
    });
  }

  /** An Offload frame has come to the broker. One without a worker, or beyond what is held for a worker, is lost. */
  arrive(offload: Offload): void {
    this.timeline.at(this.timeline.now + this.spec.latency, CloudModel.#deal, { cloud: this, offload });
  }

  static #deal({ cloud, offload }: { readonly cloud: CloudModel; readonly offload: Offload }): void {
    for (let tried = 0; tried < cloud.#workers.length; tried++) {
      const worker = cloud.#workers[cloud.#turn++ % cloud.#workers.length]!;
      if (!worker.up) continue;
      worker.take(offload);
      return;
    }
  }

  #waits(change: number): void {
    this.#waiting += change;
    this.ledger.queue(this.timeline.now, this.#waiting);
  }

  #follow(outages: Outages, place: number, on: Record<keyof Outage, () => void>): void {
    const { from, to } = outages.at(place);
    this.timeline.at(from, on.from, undefined);
    this.timeline.at(
      to,
      () => {
        on.to();
        this.#follow(outages, place + 1, on);
      },
      undefined,
    );
  }
}
