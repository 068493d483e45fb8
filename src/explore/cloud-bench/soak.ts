/** The worker tier under everything that may happen to it, for a long time: `figure NAME VALUE UNIT`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import type { Report } from "../run-edge.ts";
import { type LoadBundle, type LoadBundles, loadBundles } from "./bundles.ts";
import { type DisturbedFigures, noisyDevice, poisonSamples } from "./disturbed.ts";
import { ingest } from "./ingest.ts";
import { killBroker, killWorkers, type OutageFigures, withoutStore, withoutWorkers } from "./outages.ts";
import { overload } from "./overload.ts";
import type { Setting } from "./stage.ts";

export interface SoakOptions {
  /** The shipped model's file (.onnx). */
  readonly model: string;
  /** Labelled images: a folder or records. */
  readonly images: string;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  /** Every duration is multiplied by it; at 1 the whole takes about half an hour. */
  readonly scale: number;
  /** Names of scenes; all if there are none. */
  readonly scenes: readonly string[];
  /** Takes each line as soon as it is known: plain ones, and `figure NAME VALUE UNIT`. */
  readonly print: (line: string) => void;
  readonly report: Report;
}

interface Run {
  readonly bundles: LoadBundles;
  readonly scale: number;
  readonly print: (line: string) => void;
  readonly figure: (name: string, value: number, unit: string) => void;
  readonly setting: (bundle: LoadBundle) => Setting;
  /** Notes what has to hold, if it does not. */
  readonly expect: (holds: boolean, what: string) => void;
}

const RATE = 500;
const DEVICES = 100;
const WORKERS = 3;
const MB = 1e6;

const SCENES: Readonly<Record<string, (run: Run) => Promise<void>>> = {
  worker_kill: async (run) => {
    const options = { seconds: 300 * run.scale, rate: RATE, workers: WORKERS, devices: DEVICES, every: 2 };
    outage(run, "worker_kill", await killWorkers(run.setting(run.bundles.shipped), options));
  },
  broker_kill: async (run) => {
    const options = { seconds: 300 * run.scale, rate: RATE, workers: WORKERS, devices: DEVICES };
    const every = Math.max(5, 30 * run.scale);
    outage(run, "broker_kill", await killBroker(run.setting(run.bundles.shipped), { ...options, every }));
  },
  no_worker: async (run) => {
    const options = { seconds: 90 * run.scale, rate: RATE, workers: WORKERS, devices: DEVICES, away: 60 * run.scale };
    outage(run, "no_worker", await withoutWorkers(run.setting(run.bundles.shipped), options));
  },
  store_gone: async (run) => {
    const options = { seconds: 180 * run.scale, rate: RATE, workers: 2, devices: DEVICES, away: 60 * run.scale };
    const figures = await withoutStore(run.setting(run.bundles.shipped), options);
    outage(run, "store_gone", figures);
    run.print(`store_gone: ${figures.stored} of ${figures.offered} samples in the store at the end`);
    run.figure("soak.store_gone.p99_ratio", figures.p99Ratio, "times");
  },
  overload: overloaded,
  poison: async (run) => {
    const { poisoned } = run.bundles;
    const options = {
      seconds: 30 * run.scale,
      turns: 4,
      rate: 200,
      devices: 50,
      workers: WORKERS,
      every: 15 * run.scale,
    };
    disturbed(run, "poison", await poisonSamples(run.setting(poisoned), { ...options, poison: poisoned.poison }));
  },
  noisy: async (run) => {
    const options = { seconds: 30 * run.scale, turns: 4, rate: 200, devices: 50, workers: 2, times: 100 };
    disturbed(run, "noisy", await noisyDevice(run.setting(run.bundles.shipped), options));
  },
  ingest: async (run) => {
    const options = { seconds: 600 * run.scale, hostile: 500, rate: 50, devices: 20, seed: 1 };
    const figures = await ingest(run.setting(run.bundles.shipped), options);
    const { sent, dead, exits, rssGrowth, unanswered, wrong, conflicts } = figures;
    run.print(`ingest: ${sent} hostile messages, ${dead} dead letters; ${figures.offered} samples of others`);
    run.figure("ingest.exits", exits, "workers");
    run.figure("ingest.rss_growth", rssGrowth / MB, "MB");
    run.figure("ingest.unanswered", unanswered, "samples");
    run.expect(exits === 0, "ingest: no worker ends");
    run.expect(unanswered + wrong + conflicts === 0, "ingest: the others' samples are answered, rightly");
    run.expect(rssGrowth < 50 * MB, "ingest: memory grows by less than 50 MB");
  },
};

/**
 * @returns what does not hold: nothing, unless Hedge has a defect
 * @throws HedgeErrors: usage (an unknown scene, mosquitto or PostgreSQL is missing), and those of its parts
 */
export async function soak(options: SoakOptions): Promise<string[]> {
  const { scale, print, report, hedge } = options;
  const names = options.scenes.length > 0 ? options.scenes : Object.keys(SCENES);
  const unknown = names.find((name) => !Object.hasOwn(SCENES, name));
  if (unknown !== undefined)
    throw new HedgeError("usage", `There is no scene "${unknown}".`, `Take some of ${Object.keys(SCENES).join(", ")}.`);
  const failed: string[] = [];
  const parent = await mkdtemp(join(tmpdir(), "hedge-soak-"));
  try {
    report("compiling the models", 0, 0);
    const run: Run = {
      bundles: await loadBundles(options.model, options.images, parent),
      scale,
      print,
      figure: (name, value, unit) => print(`figure ${name} ${rounded(value)} ${unit}`),
      setting: ({ folder, samples }) => ({ hedge, folder, samples, report }),
      expect: (holds, what) => {
        if (!holds) failed.push(what);
      },
    };
    print(`durations times ${scale}; ${RATE} samples per second from ${DEVICES} devices, if nothing else is said`);
    for (const name of names) await SCENES[name]!(run);
    return failed;
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function outage({ print, figure, expect }: Run, name: string, figures: OutageFigures): void {
  const { offered, right, wrong, unanswered, conflicts, repeats, frames, outages, p50, p99, exits, lag } = figures;
  print(
    `${name}: ${outages} times; ${offered} samples, ${right} answered rightly, ${frames} frames, ${repeats} repeated results; ` +
      `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (the load itself is ${lag.toFixed(1)} ms late)`,
  );
  figure(`soak.${name}.unanswered`, unanswered, "samples");
  figure(`soak.${name}.wrong`, wrong, "samples");
  figure(`soak.${name}.duplicates`, conflicts, "samples");
  expect(unanswered === 0, `${name}: every sample is answered`);
  expect(wrong === 0, `${name}: every answer is right`);
  expect(conflicts === 0, `${name}: repeated results say the same`);
  expect(exits === 0, `${name}: no worker ends by itself`);
}

function disturbed({ print, figure, expect }: Run, name: string, figures: DisturbedFigures): void {
  const { quiet, disturbed, harmful, others, p99Ratio, exits, conflicts } = figures;
  const line = ({ throughput, p50, p99 }: typeof quiet) =>
    `${throughput.toFixed(1)} per second, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  print(`${name}: the others, undisturbed: ${line(quiet)}; disturbed: ${line(disturbed)}`);
  print(
    `${name}: the device that does harm offered ${harmful.offered}; ${harmful.answered} answered, ${harmful.told} refused`,
  );
  figure(`soak.${name}.others`, others, "%");
  figure(`soak.${name}.p99_ratio`, p99Ratio, "times");
  expect(quiet.unanswered + disturbed.unanswered === 0, `${name}: the others' samples are answered`);
  expect(quiet.wrong + disturbed.wrong + conflicts === 0, `${name}: the others' answers are right`);
  expect(exits === 0, `${name}: no worker ends`);
  expect(others >= 95, `${name}: the others keep 95 % of their throughput`);
}

async function overloaded({ bundles, scale, setting, print, figure, expect }: Run): Promise<void> {
  const options = {
    devices: 50,
    workers: 1,
    calm: Math.max(5, 20 * scale),
    seconds: 60 * scale,
    times: 3,
    deadline: 2_000,
  };
  const run = await overload(setting(bundles.heavy), options);
  const { capacity, before, overloaded: peak, after } = run;
  print(
    `overload: capacity ${capacity.toFixed(0)} per second (${bundles.heavy.bundle.manifest.name}); p99 ${before.p99.toFixed(0)} ms at half of it, ` +
      `${after.p99.toFixed(0)} ms after the overload`,
  );
  print(
    `overload: ${peak.samples} samples, ${peak.right} answered in time, ${peak.unanswered} not: of all unanswered ones, workers ` +
      `called ${run.told} expired or refused, the others ended at their device's deadline`,
  );
  figure("soak.overload.goodput", (100 * peak.throughput) / capacity, "%");
  figure("soak.overload.rss_growth", run.rssGrowth / MB, "MB");
  figure("soak.overload.recovery_s", run.recovery, "s");
  figure("soak.overload.silent", run.silent, "samples");
  expect(run.silent === 0, "overload: every sample ends");
  expect(run.exits === 0, "overload: no worker ends");
  expect(peak.wrong + run.conflicts === 0, "overload: every answer is right");
  expect(run.recovery <= 10, "overload: p99 is back to normal within 10 s");
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
