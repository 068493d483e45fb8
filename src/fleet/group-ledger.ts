/** What becomes of one group's samples, as it happens. Times in milliseconds. */
import type { EnergyMeter } from "./energy.ts";
import { Histogram } from "./histogram.ts";
import type { LoadedGroup } from "./load.ts";
import type { DropReason, FallbackReason, GroupResult, Tally } from "./result.ts";
import { emptyTally, sumOf } from "./tally.ts";

interface ClassCounts {
  samples: number;
  exited: number;
  right: number;
}

/** Of the whole fleet. */
export interface SampleCounts {
  arrivals: number;
  /** It is known what became of them. */
  settled: number;
}

/** An answer to a sample: when it came, how long after the sample, what the sample is, and what it was taken for. */
export interface Answered {
  readonly at: number;
  readonly latency: number;
  readonly truth: number;
  readonly label: number;
}

export class GroupLedger {
  readonly intervals: readonly Tally[];
  readonly latency = { edge: new Histogram(), cloud: new Histogram() };
  reboots = 0;
  readonly #classes: readonly ClassCounts[];
  readonly #energy = { inference: 0, radio: 0, sleep: 0 };
  readonly #joules = new Histogram();
  readonly #days = new Histogram();
  #empty = 0;

  /** @param intervalAt the interval that a time is in */
  constructor(
    readonly group: LoadedGroup,
    intervals: number,
    private readonly intervalAt: (time: number) => number,
    private readonly counts: SampleCounts,
  ) {
    this.intervals = Array.from({ length: intervals }, emptyTally);
    this.#classes = group.manifest.classes.map(() => ({ samples: 0, exited: 0, right: 0 }));
  }

  arrival(at: number): void {
    this.counts.arrivals++;
    this.#tally(at).arrivals++;
  }

  dropped(at: number, reason: DropReason): void {
    this.counts.settled++;
    this.#tally(at).dropped[reason]++;
  }

  exited(answer: Answered): void {
    const tally = this.#tally(answer.at);
    tally.exited++;
    tally.right.exited += this.#answered(answer);
    this.#classes[answer.truth]!.exited++;
    this.latency.edge.add(answer.latency);
  }

  cloud(answer: Answered): void {
    const tally = this.#tally(answer.at);
    tally.cloud++;
    tally.right.cloud += this.#answered(answer);
    this.latency.cloud.add(answer.latency);
  }

  /** With the exit's label. What was lost is never right: nobody heard an answer. */
  fallback(reason: FallbackReason, answer: Answered): void {
    const tally = this.#tally(answer.at);
    tally.fallback[reason]++;
    tally.right.fallback += this.#answered(reason === "lost" ? { ...answer, label: -1 } : answer);
  }

  /** An Offload frame, with what MQTT adds. */
  offered(at: number, bytes: number): void {
    const tally = this.#tally(at);
    tally.frames++;
    tally.bytesUp += bytes;
  }

  /** What else went over the line. */
  bytes(at: number, up: number, down: number): void {
    const tally = this.#tally(at);
    tally.bytesUp += up;
    tally.bytesDown += down;
  }

  /** What a device used, once it is over. @param empty its battery went empty at some time */
  energy(meter: EnergyMeter, empty: boolean): void {
    const { inference, radio, sleep } = meter.used;
    this.#energy.inference += inference;
    this.#energy.radio += radio;
    this.#energy.sleep += sleep;
    this.#joules.add(inference + radio + sleep);
    const days = meter.batteryDays;
    if (days !== undefined) this.#days.add(days);
    if (empty) this.#empty++;
  }

  result(engine: GroupResult["engine"], digest: string): GroupResult {
    const { group, intervals, latency, reboots } = this;
    const { spec, manifest, threshold } = group;
    return {
      name: spec.name,
      devices: spec.count,
      engine,
      model: { name: manifest.name, digest },
      threshold,
      tally: sumOf(intervals),
      intervals: [...intervals],
      latency: { edge: latency.edge.distribution(), cloud: latency.cloud.distribution() },
      classes: this.#classes.map((counts, label) => ({ label: manifest.classes[label]!, ...counts })),
      energy: this.#energyResult(),
      reboots,
    };
  }

  #energyResult(): GroupResult["energy"] {
    const devices = this.#joules.count;
    if (devices === 0) return undefined;
    const { inference, radio, sleep } = this.#energy;
    return {
      inference: inference / devices,
      radio: radio / devices,
      sleep: sleep / devices,
      total: this.#joules.distribution(),
      batteryDays: this.#days.distribution(),
      empty: this.#empty,
    };
  }

  #tally(at: number): Tally {
    return this.intervals[this.intervalAt(at)]!;
  }

  /** 1 if it is right. */
  #answered({ truth, label }: Answered): number {
    this.counts.settled++;
    const counts = this.#classes[truth]!;
    const right = label === truth ? 1 : 0;
    counts.samples++;
    counts.right += right;
    return right;
  }
}
