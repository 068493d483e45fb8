/**
 * What a fleet's run came to: everything that the summary, the JSON and the report show. In virtual time it depends on the fleet's file,
 * the bundles and the data alone, byte for byte; what depends on the machine (seconds, memory) is in `RunCost`, apart from it.
 */

/** Why a sample got no cloud answer, or was not taken at all. */
export const DROP_REASONS = [
  /** The battery was empty. */
  "battery",
  /** The device was starting again. */
  "reboot",
  /** The engine and the queue of samples were busy. */
  "busy",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Why a sample that was offloaded ended with its exit's answer, unconfirmed. */
export const FALLBACK_REASONS = [
  /** No result within the deadline. */
  "deadline",
  /** The worker called it expired. */
  "expired",
  /** The worker refused it: a full queue, a quota. */
  "refused",
  /** The device started again, or its battery went, while it waited. */
  "lost",
] as const;
export type FallbackReason = (typeof FALLBACK_REASONS)[number];

/** Counts of samples; every arrival is in exactly one of dropped, exited, cloud, fallback. */
export interface Tally {
  arrivals: number;
  dropped: Record<DropReason, number>;
  /** Answered by the exit. */
  exited: number;
  /** Answered by the cloud. */
  cloud: number;
  /** Answered by the exit because the cloud did not. */
  fallback: Record<FallbackReason, number>;
  /** Of the answered ones (exited, cloud, fallback), those whose label is right; by who answered. */
  right: { exited: number; cloud: number; fallback: number };
  /** Offload frames sent, more than offloaded samples when some were offered again; and bytes. */
  frames: number;
  bytesUp: number;
  bytesDown: number;
}

/** Milliseconds, or whatever the name says; undefined where nothing was measured. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** One interval of time. */
export interface Interval {
  /** Seconds from the start. */
  readonly from: number;
  readonly to: number;
  readonly tally: Tally;
  /** Of the samples answered by the cloud in it: from arrival to answer. */
  readonly latency: Percentiles | undefined;
  /** Samples that waited for a worker: mean and largest. */
  readonly queue: { readonly mean: number; readonly max: number };
  /** Devices that were up at its end. */
  readonly up: number;
}

export interface ClassRow {
  readonly label: string;
  readonly samples: number;
  readonly exited: number;
  readonly right: number;
}

export interface Energy {
  /** Joules per device: mean over the devices, by what used it. */
  readonly inference: number;
  readonly radio: number;
  readonly sleep: number;
  /** Per device, in joules. */
  readonly total: Percentiles | undefined;
  /** Days that a full battery lasts at the pace of this run; undefined without batteries. */
  readonly batteryDays: Percentiles | undefined;
  /** Devices whose battery went empty. */
  readonly empty: number;
}

export interface GroupResult {
  readonly name: string;
  readonly devices: number;
  readonly engine: "wasm3" | "v8" | "firmware";
  readonly model: { readonly name: string; readonly digest: string };
  readonly tally: Tally;
  /** From arrival to answer in milliseconds, by who answered. */
  readonly latency: { readonly edge: Percentiles | undefined; readonly cloud: Percentiles | undefined };
  readonly classes: readonly ClassRow[];
  /** Of firmware and of devices in real time unknown. */
  readonly energy: Energy | undefined;
  readonly reboots: number;
}

export interface FleetResult {
  readonly format: "hedge-fleet-result";
  readonly version: 1;
  readonly name: string;
  readonly seed: number;
  readonly time: "virtual" | "real";
  /** Seconds. */
  readonly duration: number;
  readonly devices: number;
  readonly groups: readonly GroupResult[];
  readonly total: Tally;
  readonly intervals: readonly Interval[];
  readonly cloud: {
    /** Batches that the workers ran, and samples in them. */
    readonly batches: number;
    readonly samples: number;
    /** From arriving at the broker to the start of its batch, in milliseconds. */
    readonly wait: Percentiles | undefined;
    /** Share of the time that workers were busy. */
    readonly busy: number;
  };
}

/** What the run cost on this machine; differs from run to run. */
export interface RunCost {
  readonly seconds: number;
  /** Samples run on an engine, each by itself. */
  readonly inferences: number;
  readonly inferencesPerSecond: number;
  readonly devicesPerSecond: number;
  /** Bytes. */
  readonly rss: number;
  readonly rssPerDevice: number;
  readonly threads: number;
}
