/** What a run will take, before it is run: from the file's arrivals, and a few samples run here. */
import { availableParallelism } from "node:os";
import { openEngine } from "../engine/open.ts";
import { type LoadedFleet, type LoadedGroup, meanArrivals } from "./load.ts";

/** Samples that are run to see how long one takes; the first of them for nothing, while code is made ready. */
const TRIALS = 5;
/** Of a device besides its memory image: its state, its random numbers, what is under way. Measured on large fleets, roughly. */
const DEVICE_BYTES = 1_500;
/** Of the program with its threads, onnxruntime and samples, roughly. */
const BASE_BYTES = 250e6;
/** Samples a second that the simulation of links, batteries and workers takes, roughly. */
const SAMPLES_PER_SECOND = 60_000;

export interface GroupEstimate {
  readonly name: string;
  readonly devices: number;
  /** Of all its devices, while the run lasts. */
  readonly samples: number;
  /** Milliseconds on the device: of a sample that it answers, and of one that it offloads. */
  readonly inferenceTime: { readonly exit: number; readonly full: number };
  /** Share of the time that the module runs when every sample is offloaded; above 1 samples are dropped. */
  readonly busy: number;
}

export interface FleetEstimate {
  readonly devices: number;
  readonly samples: number;
  /** Samples that an engine here runs. */
  readonly inferences: number;
  /** Of the run, on this machine as it is now; in real time its duration. */
  readonly seconds: number;
  /** Bytes. */
  readonly memory: number;
  readonly groups: readonly GroupEstimate[];
}

export function estimateRun(fleet: LoadedFleet, threads = availableParallelism()): FleetEstimate {
  const { spec, devices, bundles } = fleet;
  const groups = fleet.groups.map((group) => estimateGroup(group, spec.duration));
  const samples = groups.reduce((sum, group) => sum + group.samples, 0);
  const milliseconds = bundles.map((_, bundle) => timeHere(fleet, bundle));
  const alike = kinds(fleet, groups).map((kind) => {
    const runs = spec.inference === "once" ? Math.min(kind.samples, kind.distinct) : kind.samples;
    const images = Math.min(kind.devices, runs) * bundles[kind.bundle]!.manifest.module.memoryBytes;
    return { runs, images, busy: runs * milliseconds[kind.bundle]! };
  });
  const sum = (of: "runs" | "images" | "busy") => alike.reduce((total, kind) => total + kind[of], 0);
  return {
    devices,
    samples,
    inferences: sum("runs"),
    seconds: spec.time === "real" ? spec.duration / 1e3 : sum("busy") / 1e3 / threads + samples / SAMPLES_PER_SECOND,
    memory: BASE_BYTES + devices * DEVICE_BYTES + sum("images"),
    groups,
  };
}

function estimateGroup({ spec, inferenceTime }: LoadedGroup, duration: number): GroupEstimate {
  const rate = meanArrivals(spec);
  return {
    name: spec.name,
    devices: spec.count,
    samples: Math.round((spec.count * rate * duration) / 1e3),
    inferenceTime,
    busy: (rate * inferenceTime.full) / 1e3,
  };
}

interface Kind {
  readonly bundle: number;
  devices: number;
  samples: number;
  /** Of the sets that they draw from. */
  distinct: number;
}

/** Groups of one bundle and threshold together: they compute the same of a sample. */
function kinds({ groups }: LoadedFleet, estimates: readonly GroupEstimate[]): Kind[] {
  const byKey = new Map<string, Kind & { readonly sets: Set<number> }>();
  for (const [i, { bundle, threshold, samples, driftSamples }] of groups.entries()) {
    const key = `${bundle} ${threshold}`;
    const kind = byKey.get(key) ?? { bundle, devices: 0, samples: 0, distinct: 0, sets: new Set() };
    byKey.set(key, kind);
    kind.devices += estimates[i]!.devices;
    kind.samples += estimates[i]!.samples;
    for (const set of [samples, driftSamples]) {
      if (set === undefined || kind.sets.has(set.start)) continue;
      kind.sets.add(set.start);
      kind.distinct += set.count;
    }
  }
  return [...byKey.values()];
}

/** Milliseconds of a sample of that bundle on this machine's engine: the median of a few. */
function timeHere({ spec, bundles, samples }: LoadedFleet, bundle: number): number {
  const { images } = samples[bundle]!;
  const engine = openEngine(bundles[bundle]!, spec.engine);
  try {
    const times = Array.from({ length: TRIALS }, (_, i) => {
      const started = performance.now();
      engine.begin(images[i % images.length]!);
      while (!engine.step());
      return performance.now() - started;
    });
    return times.slice(1).toSorted((a, b) => a - b)[Math.floor((TRIALS - 1) / 2)]!;
  } finally {
    engine.close();
  }
}
