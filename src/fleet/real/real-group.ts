/** What the devices of a group share in real time, and what becomes of their samples. */
import type { BrokerAccess } from "../../wire/broker-access.ts";
import type { Compute } from "../compute.ts";
import { DataStream } from "../data-stream.ts";
import { FrameBytes } from "../frame-bytes.ts";
import type { Answered, GroupLedger } from "../group-ledger.ts";
import type { Ledger } from "../ledger.ts";
import type { LoadedFleet, LoadedGroup } from "../load.ts";
import type { Sample } from "../offload.ts";
import type { DeviceStreams } from "../random.ts";
import type { DropReason, FallbackReason } from "../result.ts";
import type { WallClock } from "./wall-clock.ts";

export interface RealWorld {
  readonly fleet: LoadedFleet;
  readonly access: BrokerAccess;
  readonly clock: WallClock;
  readonly streams: DeviceStreams;
  readonly compute: Compute;
  readonly ledger: Ledger;
  /** Ends the run. */
  readonly fail: (error: unknown) => void;
  /** Samples that wait for the cloud. */
  waiting: number;
}

/** As long as names of workers are. */
const WORKER_NAME = "worker-000000";

export class RealGroup {
  readonly group: LoadedGroup;
  readonly data: DataStream;
  /** Sizes of frames that are not seen here: those of firmware. */
  readonly frames: FrameBytes;
  readonly #ledger: GroupLedger;
  readonly #labels: Uint16Array;

  constructor(
    readonly world: RealWorld,
    index: number,
  ) {
    const { fleet, ledger, streams } = world;
    this.group = fleet.groups[index]!;
    this.data = new DataStream(this.group, streams);
    this.frames = new FrameBytes(this.group.manifest.payload.bytes, WORKER_NAME);
    this.#ledger = ledger.groups[index]!;
    this.#labels = fleet.samples[this.group.bundle]!.labels;
  }

  /** The sample as the module takes it. */
  input({ place }: Sample): Int8Array {
    return this.world.fleet.samples[this.group.bundle]!.images[place]!;
  }

  arrived(at: number): void {
    this.#ledger.arrival(at);
  }

  dropped(reason: DropReason): void {
    this.#ledger.dropped(this.#now, reason);
  }

  exited(sample: Sample, label: number): void {
    this.#ledger.exited(this.#answered(sample, label));
  }

  /** The exit was not sure: from now on it waits for the cloud, until `cloud` or `fallback`. */
  unsure(): void {
    this.#wait(1);
  }

  cloud(sample: Sample, label: number): void {
    this.#wait(-1);
    const answered = this.#answered(sample, label);
    this.#ledger.cloud(answered);
    this.world.ledger.cloudLatency(answered.at, answered.latency);
  }

  fallback(reason: FallbackReason, sample: Sample, label: number): void {
    this.#wait(-1);
    this.#ledger.fallback(reason, this.#answered(sample, label));
  }

  /** An Offload frame, with what MQTT adds. */
  offered(bytes: number): void {
    this.#ledger.offered(this.#now, bytes);
  }

  bytes(up: number, down: number): void {
    this.#ledger.bytes(this.#now, up, down);
  }

  rebooted(): void {
    this.#ledger.reboots++;
  }

  #wait(change: 1 | -1): void {
    const { world } = this;
    world.waiting += change;
    world.ledger.queue(this.#now, world.waiting);
  }

  #answered({ place, arrived }: Sample, label: number): Answered {
    const at = this.#now;
    return { at, latency: Math.max(0, at - arrived), truth: this.#labels[place]!, label };
  }

  get #now(): number {
    return this.world.clock.now;
  }
}
