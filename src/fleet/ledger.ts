/** What becomes of a fleet's samples, in virtual or in real time, and what it comes to. Times in milliseconds from the start. */
import { canonicalJson, sha256Hex } from "../bundle/digest.ts";
import { COMPILER } from "../bundle/draft.ts";
import { GroupLedger, type SampleCounts } from "./group-ledger.ts";
import { Histogram } from "./histogram.ts";
import type { LoadedFleet } from "./load.ts";
import type { FleetResult, GroupResult } from "./result.ts";
import { sumOf } from "./tally.ts";

export class Ledger {
  readonly groups: readonly GroupLedger[];
  readonly counts: SampleCounts = { arrivals: 0, settled: 0 };
  readonly #fleet: LoadedFleet;
  readonly #length: number;
  readonly #latency: readonly Histogram[];
  readonly #ends: readonly number[];
  readonly #up: number[];
  /** Samples that wait for a worker: now, and of each interval the largest number and its integral over time. */
  readonly #waiting = { now: 0, since: 0, interval: 0 };
  readonly #queues: { most: number; area: number }[];
  readonly #wait = new Histogram();
  readonly #cloud = { batches: 0, samples: 0, busy: 0 };

  constructor(fleet: LoadedFleet) {
    const { intervals, duration } = fleet.spec;
    this.#fleet = fleet;
    this.#length = duration / intervals;
    this.groups = fleet.groups.map(
      (group) => new GroupLedger(group, intervals, (time) => this.intervalAt(time), this.counts),
    );
    this.#latency = Array.from({ length: intervals }, () => new Histogram());
    this.#ends = Array.from({ length: intervals }, (_, i) => (i + 1) * this.#length);
    this.#up = new Array<number>(intervals).fill(0);
    this.#queues = Array.from({ length: intervals }, () => ({ most: 0, area: 0 }));
  }

  /** Ends of the intervals. */
  get ends(): readonly number[] {
    return this.#ends;
  }

  /** What is settled behind the end counts in the last one. */
  intervalAt(time: number): number {
    return Math.min(Math.floor(time / this.#length), this.#up.length - 1);
  }

  /** Of a sample that the cloud answered. */
  cloudLatency(at: number, latency: number): void {
    this.#latency[this.intervalAt(at)]!.add(latency);
  }

  /** So many samples wait for a worker from now on. */
  queue(at: number, waiting: number): void {
    this.#integrate(Math.min(at, this.#fleet.spec.duration));
    this.#waiting.now = waiting;
    const queue = this.#queues[this.#waiting.interval]!;
    queue.most = Math.max(queue.most, waiting);
  }

  /** A worker starts a batch; its samples have waited so long, and it takes `time`. */
  batch(at: number, waits: readonly number[], time: number): void {
    this.#cloud.batches++;
    this.#cloud.samples += waits.length;
    this.#cloud.busy += Math.max(0, Math.min(time, this.#fleet.spec.duration - at));
    for (const wait of waits) this.#wait.add(wait);
  }

  /** Devices that were up at the interval's end. */
  up(interval: number, devices: number): void {
    this.#up[interval] = devices;
  }

  /** @param stopped when somebody ended the run early */
  result(engineOf: (group: number) => GroupResult["engine"], stopped?: number): FleetResult {
    const { spec, bundles, devices } = this.#fleet;
    const { duration } = spec;
    this.#integrate(stopped ?? duration);
    const groups = this.groups.map((ledger, i) => ledger.result(engineOf(i), bundles[ledger.group.bundle]!.digest));
    const edge = new Histogram();
    const cloud = new Histogram();
    for (const { latency } of this.groups) {
      edge.merge(latency.edge);
      cloud.merge(latency.cloud);
    }
    const workerTime = spec.cloud.workers * Math.min(stopped ?? duration, duration);
    return {
      format: "hedge-fleet-result",
      version: 1,
      program: COMPILER,
      name: spec.name,
      spec: sha256Hex(canonicalJson(spec)),
      seed: spec.seed,
      time: spec.time,
      inference: spec.inference,
      duration: duration / 1e3,
      ...(stopped !== undefined && { stopped: stopped / 1e3 }),
      devices,
      groups,
      total: sumOf(groups.map(({ tally }) => tally)),
      latency: { edge: edge.distribution(), cloud: cloud.distribution() },
      intervals: this.#up.map((up, i) => ({
        from: (i * this.#length) / 1e3,
        to: ((i + 1) * this.#length) / 1e3,
        tally: sumOf(groups.map(({ intervals }) => intervals[i]!)),
        latency: this.#latency[i]!.percentiles(),
        queue: { mean: this.#queues[i]!.area / this.#length, max: this.#queues[i]!.most },
        up,
      })),
      cloud: {
        batches: this.#cloud.batches,
        samples: this.#cloud.samples,
        wait: this.#wait.percentiles(),
        busy: workerTime === 0 ? 0 : this.#cloud.busy / workerTime,
      },
    };
  }

  #integrate(until: number): void {
    const waiting = this.#waiting;
    for (;;) {
      const queue = this.#queues[waiting.interval]!;
      const end = this.#ends[waiting.interval]!;
      queue.area += waiting.now * Math.max(0, Math.min(until, end) - waiting.since);
      // What waits since an earlier interval is in this one too.
      queue.most = Math.max(queue.most, waiting.now);
      waiting.since = Math.max(waiting.since, Math.min(until, end));
      if (until <= end || waiting.interval === this.#ends.length - 1) return;
      waiting.interval++;
    }
  }
}
