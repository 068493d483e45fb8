/** What fleets cost as they grow: time and memory of runs in which every device runs the module on its own memory image. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { EngineKind } from "../../engine/engine.ts";
import { HedgeError } from "../../errors.ts";
import { drawAlone } from "../../fleet/report/draw.ts";
import type { LinePlot } from "../../fleet/report/plot.ts";
import type { FleetResult, RunCost } from "../../fleet/result.ts";

export interface ScaleOptions {
  /** Folder of the devices' bundle. */
  readonly bundle: string;
  /** Labelled images. */
  readonly images: string;
  /** Path of the command line's main file. */
  readonly hedge: string;
  /** Devices of the fleets, from the smallest on. */
  readonly sizes: Readonly<Record<EngineKind, readonly number[]>>;
  /** Takes each line as soon as it is known. */
  readonly print: (line: string) => void;
  readonly report: (what: string, done: number, total: number) => void;
}

/** For two cores and 16 GB: minutes in all. */
export const SCALE_SIZES: ScaleOptions["sizes"] = {
  wasm3: [100, 300, 1_000, 3_000, 10_000],
  v8: [1_000, 10_000, 100_000],
};

/** A run of one size. */
export interface ScalePoint {
  readonly devices: number;
  readonly cost: RunCost;
}

/** Up to this size a fleet is small, and what it costs per device is what larger ones are held to. */
const SMALL = 1_000;

/**
 * Each run is a process of its own, so that one leaves no memory to the next.
 * @returns the picture of all runs: SVG
 * @throws HedgeError (check) when a fleet lost a sample or computed fewer than one on each device
 */
export async function scaleFigures(options: ScaleOptions): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hedge-scale-"));
  try {
    const file = join(folder, "fleet.yaml");
    await writeFile(file, fleetFile(options));
    const kinds = Object.entries(options.sizes) as [EngineKind, readonly number[]][];
    const total = kinds.reduce((sum, [, sizes]) => sum + sizes.length, 0);
    const points: Record<EngineKind, ScalePoint[]> = { wasm3: [], v8: [] };
    let done = 0;
    for (const [kind, sizes] of kinds) {
      for (const devices of sizes) {
        options.report(`${devices} devices on ${kind}: fleet`, ++done, total);
        const point = await runFleetOf(devices, kind, { file, folder, hedge: options.hedge });
        points[kind].push(point);
        options.print(pointLine(kind, point));
      }
    }
    for (const line of figureLines(points)) options.print(line);
    return await drawAlone("Time of processors that a fleet takes, by its devices", picture(points));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each device takes one sample an hour, at a moment of its own, and there is one hour. */
const fleetFile = ({ bundle, images }: ScaleOptions) => `
name: scale
duration: 1h
intervals: 10
inference: each
data: ${JSON.stringify(resolve(images))}
cloud: { workers: 4 }
groups:
  - { name: device, count: 1, bundle: ${JSON.stringify(resolve(bundle))}, arrivals: { kind: periodic, every: 1h } }
`;

async function runFleetOf(
  devices: number,
  kind: EngineKind,
  { file, folder, hedge }: { readonly file: string; readonly folder: string; readonly hedge: string },
): Promise<ScalePoint> {
  const out = join(folder, "run");
  const changes = ["--devices", String(devices), "--engine", kind];
  await promisify(execFile)(process.execPath, [hedge, "fleet", "run", file, ...changes, "-o", out, "--quiet"]);
  const read = async (name: string) => JSON.parse(await readFile(join(out, name), "utf8"));
  const result: FleetResult = await read("result.json");
  const cost: RunCost = await read("cost.json");
  const { arrivals, dropped } = result.total;
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  if (result.devices !== devices || arrivals !== devices || lost > 0 || cost.inferences !== devices)
    throw new HedgeError(
      "check",
      `Of ${devices} devices on ${kind}, ${cost.inferences} ran a sample; ${lost} samples were dropped.`,
      "Report it: each has to run one.",
    );
  return { devices, cost };
}

function pointLine(kind: EngineKind, { devices, cost }: ScalePoint): string {
  const memory = `${(cost.rss / 1e6).toFixed(0)} MB at most, ${(cost.rssPerDevice / 1e3).toFixed(1)} kB a device`;
  return `${devices} devices on ${kind}: ${cost.seconds.toFixed(1)} s, ${cost.cpuSeconds.toFixed(1)} s of processors, ${cost.devicesPerSecond.toFixed(0)} devices/s, ${memory}`;
}

/** `figure` lines. Those of the largest fleet stand for its engine: it was really run. */
function figureLines({ wasm3, v8 }: Readonly<Record<EngineKind, readonly ScalePoint[]>>): string[] {
  const figure = (name: string, value: string | number, unit: string) => `figure fleet.${name} ${value} ${unit}`;
  const largest = (kind: EngineKind, points: readonly ScalePoint[], rss: string) => {
    const { devices, cost } = points.at(-1)!;
    return [
      figure(`${kind}.devices`, devices, "devices"),
      figure(`${kind}.seconds`, cost.seconds.toFixed(1), "s"),
      figure(`${kind}.devices_per_second`, cost.devicesPerSecond.toFixed(1), "devices/s"),
      figure(rss, Math.round(cost.rssPerDevice), "B"),
    ];
  };
  return [
    ...largest("wasm3", wasm3, "rss_per_device"),
    ...largest("v8", v8, "v8.rss_per_device"),
    figure("linear", growth(wasm3).toFixed(3), "times"),
  ];
}

/** The processors' time for a device in the largest fleet, by that in small ones: 1 where cost grows as devices do. */
export function growth(points: readonly ScalePoint[]): number {
  const perDevice = ({ devices, cost }: ScalePoint) => cost.cpuSeconds / devices;
  const small = points.filter(({ devices }) => devices <= SMALL).map(perDevice);
  return perDevice(points.at(-1)!) / (small.reduce((sum, cost) => sum + cost, 0) / small.length);
}

function picture(points: Readonly<Record<EngineKind, readonly ScalePoint[]>>): LinePlot {
  return {
    kind: "lines",
    x: { title: "devices", scale: "log", of: "numbers" },
    y: { title: "seconds of processors", scale: "log", of: "numbers" },
    series: Object.entries(points).map(([name, runs]) => ({
      name,
      points: runs.map(({ devices, cost }) => [devices, cost.cpuSeconds] as const),
    })),
  };
}
