/**
 * What a fleet's run came to: everything that the summary, the JSON and the report show. In virtual time it depends on the fleet's file,
 * the bundles and the data alone, byte for byte; what depends on the machine (seconds, memory) is in `RunCost`, apart from it.
 */
import { z } from "zod";

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

const count = z.int().nonnegative();
const amount = z.number().nonnegative();
/** What is shown to people holds no control characters, which terminals obey. */
const text = z
  .string()
  .max(200)
  .regex(/^\P{Cc}*$/u, "it holds a control character");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const tally = z.strictObject({
  arrivals: count,
  dropped: z.record(z.enum(DROP_REASONS), count),
  /** Answered by the exit. */
  exited: count,
  /** Answered by the cloud. */
  cloud: count,
  /** Answered by the exit because the cloud did not. */
  fallback: z.record(z.enum(FALLBACK_REASONS), count),
  /** Of the answered ones (exited, cloud, fallback), those whose label is right; by who answered. */
  right: z.strictObject({ exited: count, cloud: count, fallback: count }),
  /** Offload frames sent, more than offloaded samples when some were offered again; and bytes. */
  frames: count,
  bytesUp: count,
  bytesDown: count,
});
/** Counts of samples; every arrival is in exactly one of dropped, exited, cloud, fallback, but for those under way when a run was stopped. */
export type Tally = z.infer<typeof tally>;

const percentiles = z.strictObject({
  count,
  mean: amount,
  p50: amount,
  p90: amount,
  p99: amount,
  max: amount,
});
/** Milliseconds, or whatever the name says; undefined where nothing was measured. */
export type Percentiles = z.infer<typeof percentiles>;

/** Quantiles of a distribution: 0 %, 1 %, ... 100 %. */
export const QUANTILES = 101;
const distribution = percentiles.extend({ quantiles: z.array(amount).length(QUANTILES) });
/** Percentiles with enough of the rest to draw it. */
export type Distribution = z.infer<typeof distribution>;

/** One interval of time. */
const interval = z.strictObject({
  /** Seconds from the start. */
  from: amount,
  to: amount,
  /** A sample counts in the interval in which it was settled. */
  tally,
  /** Of the samples answered by the cloud in it: from arrival to answer. */
  latency: percentiles.optional(),
  /** Samples that waited for a worker: mean and largest. */
  queue: z.strictObject({ mean: amount, max: count }),
  /** Devices that were up at its end. */
  up: count,
});

const classRow = z.strictObject({
  label: text,
  /** Answered ones; so are the rest. */
  samples: count,
  exited: count,
  right: count,
});
export type ClassRow = z.infer<typeof classRow>;

const energy = z.strictObject({
  /** Joules per device: mean over the devices, by what used it. */
  inference: amount,
  radio: amount,
  sleep: amount,
  /** Per device, in joules. */
  total: distribution.optional(),
  /** Days that a full battery lasts at the pace of this run; undefined without batteries. */
  batteryDays: distribution.optional(),
  /** Devices whose battery went empty. */
  empty: count,
});
export type Energy = z.infer<typeof energy>;

/** From arrival to answer in milliseconds, by who answered. */
const latency = z.strictObject({ edge: distribution.optional(), cloud: distribution.optional() });
export type Latency = z.infer<typeof latency>;

const group = z.strictObject({
  name: text,
  devices: count,
  engine: z.enum(["wasm3", "v8", "firmware"]),
  model: z.strictObject({ name: text, digest: sha256 }),
  /** Exit threshold in nats. */
  threshold: amount,
  tally,
  /** Its part of each interval. */
  intervals: z.array(tally),
  latency,
  classes: z.array(classRow),
  /** Of firmware and of devices in real time unknown. */
  energy: energy.optional(),
  reboots: count,
});
export type GroupResult = z.infer<typeof group>;

export const fleetResultSchema = z.strictObject({
  format: z.literal("hedge-fleet-result"),
  version: z.literal(1),
  /** Name and version of the program, as in a bundle's manifest. */
  program: text,
  name: text,
  /** SHA-256 of the canonical JSON of the checked file, with what the command line changed in it. */
  spec: sha256,
  seed: count,
  time: z.enum(["virtual", "real"]),
  inference: z.enum(["each", "once"]),
  /** Seconds that the file asks for. */
  duration: amount,
  /** Seconds after which somebody ended the run early. */
  stopped: amount.optional(),
  devices: count,
  groups: z.array(group),
  total: tally,
  latency,
  intervals: z.array(interval),
  cloud: z.strictObject({
    /** Batches that the workers ran, and samples in them. */
    batches: count,
    samples: count,
    /** From arriving at the broker to the start of its batch, in milliseconds. */
    wait: percentiles.optional(),
    /** Share of the time that workers were busy. */
    busy: amount,
  }),
});
export type FleetResult = z.infer<typeof fleetResultSchema>;

/** What the run cost on this machine; differs from run to run. */
export interface RunCost {
  /** From when files were read and threads were ready. */
  readonly seconds: number;
  /** Of processors, all threads together: what hardly depends on what else the machine does. */
  readonly cpuSeconds: number;
  /** Samples run on an engine, each by itself. */
  readonly inferences: number;
  readonly inferencesPerSecond: number;
  readonly devicesPerSecond: number;
  /** Most bytes of memory that the process had; and what they were more than at the start, by devices. */
  readonly rss: number;
  readonly rssPerDevice: number;
  /** Bytes of the devices' memory images: of those that ran a sample. */
  readonly images: number;
  readonly threads: number;
}
