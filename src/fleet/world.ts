/** What the devices of a group share in virtual time. */
import type { Answers } from "./answers.ts";
import type { CloudModel } from "./cloud-model.ts";
import type { Compute } from "./compute.ts";
import { DataStream } from "./data-stream.ts";
import { FrameBytes } from "./frame-bytes.ts";
import type { Answered, GroupLedger } from "./group-ledger.ts";
import type { Ledger } from "./ledger.ts";
import type { LoadedFleet, LoadedGroup } from "./load.ts";
import type { Offload, Sample } from "./offload.ts";
import { Outages } from "./outages.ts";
import { DeviceStreams } from "./random.ts";
import type { Timeline } from "./timeline.ts";

/** As long as names of workers are. */
const WORKER_NAME = "worker-000000";

export interface World {
  readonly fleet: LoadedFleet;
  readonly timeline: Timeline;
  readonly streams: DeviceStreams;
  readonly compute: Compute;
  readonly answers: Answers;
  readonly cloud: CloudModel;
  readonly ledger: Ledger;
}

export class GroupWorld {
  readonly group: LoadedGroup;
  readonly timeline: Timeline;
  readonly streams: DeviceStreams;
  readonly compute: Compute;
  readonly answers: Answers;
  readonly cloud: CloudModel;
  readonly ledger: GroupLedger;
  readonly data: DataStream;
  readonly frames: FrameBytes;
  /** When samples cease to arrive. */
  readonly duration: number;
  readonly #labels: Uint16Array;
  readonly #fleetLedger: Ledger;

  constructor(world: World, index: number) {
    const { fleet, ledger } = world;
    this.group = fleet.groups[index]!;
    this.timeline = world.timeline;
    this.streams = world.streams;
    this.compute = world.compute;
    this.answers = world.answers;
    this.cloud = world.cloud;
    this.ledger = ledger.groups[index]!;
    this.data = new DataStream(this.group, world.streams);
    this.frames = new FrameBytes(this.group.manifest.payload.bytes, WORKER_NAME);
    this.duration = fleet.spec.duration;
    this.#labels = fleet.samples[this.group.bundle]!.labels;
    this.#fleetLedger = ledger;
  }

  /** A device's times without connection: its own and the broker's. */
  outagesOf(device: number): Outages[] {
    const { link } = this.group.spec;
    const stream = DeviceStreams.of(device, "outages");
    const own = new Outages(link.outages, (mean) => this.streams.exponential(stream, mean));
    return [own, this.cloud.brokerOutages].filter(({ any }) => any);
  }

  /** An answer that a sample has now. */
  answered({ place, arrived }: Sample, label: number): Answered {
    const at = this.timeline.now;
    return { at, latency: at - arrived, truth: this.#labels[place]!, label };
  }

  cloudAnswered(offload: Offload, label: number): void {
    const answered = this.answered(offload, label);
    this.ledger.cloud(answered);
    this.#fleetLedger.cloudLatency(answered.at, answered.latency);
  }
}
