/** What a worker costs beside onnxruntime alone: `figure NAME VALUE UNIT`. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "../run-edge.ts";
import { runAclAttacks } from "./acl-attack.ts";
import { type LoadBundle, loadBundles } from "./bundles.ts";
import { addedLatency, latencyAtLoad } from "./latency.ts";
import { SCALE_SIZES, scaleFigures } from "./scale.ts";
import type { Setting } from "./stage.ts";
import { type ThroughputFigures, throughput } from "./throughput.ts";

export interface CloudBenchOptions {
  /** The shipped model's file (.onnx). */
  readonly model: string;
  /** Labelled images: a folder or records. */
  readonly images: string;
  /** Path of the command line's main file, to start workers with. */
  readonly hedge: string;
  /** Every duration is multiplied by it; below 1 fleets are left out, which take their minutes. */
  readonly scale: number;
  /** Takes each line as soon as it is known: plain ones, and `figure NAME VALUE UNIT`. */
  readonly print: (line: string) => void;
  /** Takes the picture of what fleets cost as they grow: SVG. */
  readonly picture: (svg: string) => Promise<void>;
  readonly report: Report;
}

const ROUNDS = 5;
const MAX_BATCH = 32;
const SHARES = [0.5, 0.9];
/** Samples per second at which none waits for another. */
const LOW = 20;

/**
 * @returns what does not hold: nothing, unless Hedge has a defect
 * @throws HedgeErrors: usage (mosquitto is missing), and those of its parts
 */
export async function benchCloud(options: CloudBenchOptions): Promise<string[]> {
  const { hedge, scale, print, report } = options;
  const figure = (name: string, value: number, unit: string) => print(`figure ${name} ${shown(value)} ${unit}`);
  const parent = await mkdtemp(join(tmpdir(), "hedge-cloud-"));
  try {
    const { shipped, heavy } = await loadBundles(options.model, options.images, parent);
    const setting = ({ folder, samples }: LoadBundle): Setting => ({ hedge, folder, samples, report });
    const measure = (bundle: LoadBundle, cores: readonly number[], maxBatch = MAX_BATCH) =>
      throughput(setting(bundle), { cores, maxBatch, seconds: 6 * scale, rounds: ROUNDS });
    const all = Array.from({ length: availableParallelism() }, (_, core) => core);
    const [one, two] = [all.slice(-1), all.slice(-2)];

    print(
      "samples per second and CPU milliseconds per sample: the worker, and onnxruntime alone with batches of the same size, in turn",
    );
    const ratios: Record<string, number> = {};
    for (const [name, bundle] of Object.entries({ heavy, shipped })) {
      const alone = await measure(bundle, one);
      const both = await measure(bundle, two);
      const model = bundle.bundle.manifest.name;
      print(line(`${model}, one core`, alone));
      // Broker and devices are on these cores too: only CPU time can be compared.
      print(line(`${model}, two cores`, both));
      ratios[name] = Math.min(alone.byTime, both.byCpu);
      if (name === "shipped")
        figure("cloud.cpu_per_sample", 1_000 * (alone.worker.cpuPerSample - alone.bare.cpuPerSample), "us");
    }
    figure("cloud.throughput_ratio", ratios.heavy!, "times");
    figure("cloud.throughput_ratio.shipped", ratios.shipped!, "times");

    const [single, batched] = [await measure(shipped, one, 1), await measure(shipped, one)];
    print(line("batches of one", single));
    figure("cloud.batch_gain", batched.worker.perSecond / single.worker.perSecond, "times");

    const { capacity, at } = await latencyAtLoad(setting(heavy), { shares: SHARES, seconds: 15 * scale });
    for (const [k, { throughput, p50, p99 }] of at.entries()) {
      const percent = 100 * SHARES[k]!;
      print(
        `${throughput.toFixed(0)} per second, ${percent} % of ${capacity.toFixed(0)}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
      );
      figure(`cloud.p50.load${percent}`, p50, "ms");
      figure(`cloud.p99.load${percent}`, p99, "ms");
    }

    const low = await addedLatency(setting(heavy), { rate: LOW, seconds: 15 * scale });
    print(
      `${LOW} per second: round trip ${low.roundTrip.toFixed(2)} ms, echo by the broker ${low.echo.toFixed(2)} ms, ` +
        `onnxruntime alone ${low.inference.toFixed(2)} ms; inside the worker ${low.addedInside.toFixed(2)} ms more than that`,
    );
    figure("cloud.added_ms", low.added, "ms");

    if (scale >= 1) {
      const sizes = { bundle: shipped.folder, images: options.images, hedge, sizes: SCALE_SIZES };
      await options.picture(await scaleFigures({ ...sizes, print, report }));
    }

    const { attacks, allowed, broken } = await runAclAttacks(report);
    print(`${attacks.length} foreign actions of a device with its certificate`);
    figure("acl.allowed", allowed, "actions");
    return [...broken, ...(allowed > 0 ? [`a device may do ${allowed} things that are not its own`] : [])];
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function line(what: string, { worker, bare, batch, byTime, byCpu, busy }: ThroughputFigures): string {
  const side = ({ perSecond, cpuPerSample }: typeof worker) =>
    `${perSecond.toFixed(0)}/s, ${cpuPerSample.toFixed(3)} ms`;
  return (
    `${what}: worker ${side(worker)} (cores ${(100 * busy).toFixed(0)} % busy), alone ${side(bare)}; batches of ${batch.toFixed(1)}; ` +
    `ratio ${byTime.toFixed(3)} by time, ${byCpu.toFixed(3)} by CPU`
  );
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
