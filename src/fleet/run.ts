/** A fleet's run, from its checked file to what it came to and what it cost. */
import { availableParallelism } from "node:os";
import type { TlsFiles } from "../wire/broker-access.ts";
import { type Compute, openCompute } from "./compute.ts";
import { type LoadedFleet, loadFleet } from "./load.ts";
import type { FleetResult, RunCost } from "./result.ts";
import { type FleetProgress, simulate } from "./simulate.ts";
import type { FleetSpec } from "./spec.ts";

export interface RunOptions {
  /** To which the paths in the file are relative. */
  readonly folder: string;
  /** Default: one per core. */
  readonly threads?: number | undefined;
  /** Of real time, for a broker at mqtts://. */
  readonly tls?: TlsFiles | undefined;
  readonly report?: (progress: FleetProgress) => void;
  /** Ends the run early, with what was measured until then. */
  readonly signal?: AbortSignal;
}

export interface FleetRun {
  readonly result: FleetResult;
  readonly cost: RunCost;
}

/** @throws HedgeErrors of what the file names, and of devices' modules */
export async function runFleet(spec: FleetSpec, options: RunOptions): Promise<FleetRun> {
  const fleet = await loadFleet(spec, options.folder);
  const { threads = availableParallelism() } = options;
  const compute = await openCompute({
    kind: spec.engine,
    bundles: fleet.bundles,
    samples: fleet.samples.map(({ images }) => images),
    devices: fleet.devices,
    threads,
    once: spec.inference === "once",
  });
  try {
    const before = { rss: process.memoryUsage.rss(), cpu: process.cpuUsage() };
    const started = performance.now();
    const result =
      spec.time === "real" ? await inRealTime(fleet, compute, options) : await simulate(fleet, compute, options);
    const seconds = (performance.now() - started) / 1e3;
    const images = await compute.imageBytes();
    return { result, cost: costOf(fleet, compute, { seconds, threads, images, before }) };
  } finally {
    await compute.close();
  }
}

/** Brokers, boards and gateways are loaded only here. */
async function inRealTime(fleet: LoadedFleet, compute: Compute, options: RunOptions): Promise<FleetResult> {
  const { runReal } = await import("./real/run-real.ts");
  return runReal(fleet, compute, options);
}

/** Of this process, when the run began. */
interface Before {
  readonly rss: number;
  readonly cpu: NodeJS.CpuUsage;
}

interface Measured {
  readonly seconds: number;
  readonly threads: number;
  /** Bytes. */
  readonly images: number;
  readonly before: Before;
}

function costOf(
  { devices }: LoadedFleet,
  { inferences }: Compute,
  { seconds, threads, images, before }: Measured,
): RunCost {
  const rss = process.resourceUsage().maxRSS * 1024;
  const { user, system } = process.cpuUsage(before.cpu);
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    inferences,
    inferencesPerSecond: inferences / seconds,
    devicesPerSecond: devices / seconds,
    rss,
    rssPerDevice: Math.max(0, rss - before.rss) / devices,
    images,
    threads,
  };
}
