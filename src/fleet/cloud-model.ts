/**
 * The worker tier in virtual time: a broker that shares frames out to workers in turn, and workers that batch as src/cloud does. Labels come
 * from the real cloud part.
 */
import type { Answers } from "./answers.ts";
import type { Ledger } from "./ledger.ts";
import type { Offload } from "./offload.ts";
import { type Outage, Outages } from "./outages.ts";
import { Streams } from "./random.ts";
import type { CloudSpec } from "./spec-cloud.ts";
import type { Timeline } from "./timeline.ts";
import { Worker } from "./worker-model.ts";

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
  readonly arrive = (offload: Offload): void => {
    this.timeline.at(this.timeline.now + this.spec.latency, this.#deal, offload);
  };

  readonly #deal = (offload: Offload): void => {
    for (let tried = 0; tried < this.#workers.length; tried++) {
      const worker = this.#workers[this.#turn++ % this.#workers.length]!;
      if (!worker.up) continue;
      worker.take(offload);
      return;
    }
  };

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
