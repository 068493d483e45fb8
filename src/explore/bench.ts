/** Measures a model from its file on: what the compiler, the module, the engines and the offloaded path come to. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import type { Bundle } from "../bundle/bundle.ts";
import { readBundle } from "../bundle/read.ts";
import { openEngine } from "../engine/open.ts";
import { decodeModel } from "../import/onnx/codec.ts";
import { costFigures, costLines } from "./cost-text.ts";
import { timeEngines } from "./engine-ratio.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import { evaluationFigures } from "./evaluation-text.ts";
import { runKilledWorker } from "./killed-worker.ts";
import { loadSamples } from "./load-samples.ts";
import type { Report } from "./run-edge.ts";
import { measureWasm3 } from "./wasm3-cost.ts";

export interface BenchOptions {
  /** The model's file (.onnx). */
  readonly model: string;
  /** Folder for its bundle. */
  readonly out: string;
  /** Path of the command line's main file. */
  readonly hedge: string;
  /** Labelled images to evaluate: records or a folder. */
  readonly evaluated: string;
  /** Labelled images to send through broker and worker; at most `offloadCount` of them. */
  readonly offloaded: string;
  readonly offloadCount: number;
  /** Images that the reference kernels, which are slow, are held to. */
  readonly referenceCount: number;
  /** Takes each line as soon as it is known: plain ones, and `figure NAME VALUE UNIT`. */
  readonly print: (line: string) => void;
  readonly report: Report;
}

/** Images that both engines are timed on. */
const TIMED = 50;

/**
 * Every figure is measured by this call.
 * @returns the evaluation's checks that failed: none, unless Hedge has a defect
 * @throws HedgeErrors of its parts
 */
export async function bench(options: BenchOptions): Promise<string[]> {
  const { model, out, hedge, print, report } = options;
  const figure = (name: string, value: number | string, unit: string) => print(`figure ${name} ${value} ${unit}`);

  // The command as people run it, start of node included.
  const started = performance.now();
  await promisify(execFile)(process.execPath, [hedge, "compile", model, "-o", out, "--quiet"]);
  figure("compile.seconds", ((performance.now() - started) / 1_000).toFixed(2), "s");

  const bundle = await readBundle(out);
  print(`${bundle.manifest.name} (${bundle.digest.slice(0, 16)})`);
  const engine = openEngine(bundle, "wasm3");
  const { linear, stack = 0, metacode = 0 } = engine.memory;
  engine.close();
  print(`RAM on wasm3: linear memory ${linear}, value stack ${stack}, metacode ${metacode} B`);
  figure("wasm3.ram.bytes", linear + stack + metacode, "B");
  figure("module.bytes", bundle.edgeWasm.length, "B");
  figure("weights.bytes", bundle.weights.length, "B");

  const { images } = await loadSamples(options.offloaded, bundle.manifest, options.offloadCount);
  const cost = await measureWasm3(bundle, images[0]!);
  for (const line of [...costLines(cost), ...costFigures(cost)]) print(line);

  const times = timeEngines(bundle, images.slice(0, TIMED));
  print(
    `median of ${Math.min(TIMED, images.length)} images: ${times.wasm3.toFixed(2)} ms on wasm3, ${times.v8.toFixed(2)} ms on V8`,
  );
  figure("wasm3.v8_time_ratio", times.ratio.toFixed(1), "times");

  const run = await runKilledWorker({ bundle, folder: out, hedge, images, report });
  print(
    `${run.samples} images offloaded, worker killed -9 and restarted: ${run.answered} answered, ${run.wrong} with a wrong label, ` +
      `${run.offered} frames sent, ${run.duplicates} repeated answers ignored`,
  );
  figure("offload.samples", run.samples, "images");
  figure("offload.lost", run.lost, "images");

  const evaluation = await evaluateAll(options, bundle);
  print(
    `evaluated on the ${evaluation.samples} images of ${options.evaluated}, exit at entropy < ${evaluation.threshold} nats`,
  );
  for (const line of evaluationFigures(evaluation)) print(line);
  const failed = evaluation.checks.filter(({ holds }) => !holds).map(({ name, found }) => `${name}: ${found}`);
  if (run.wrong > 0)
    failed.push(`answers of a restarted worker = cloud half: ${run.samples - run.wrong} of ${run.samples}`);
  return failed;
}

async function evaluateAll(options: BenchOptions, bundle: Bundle): Promise<Evaluation> {
  const { model, report, referenceCount } = options;
  return evaluate({
    bundle,
    source: { model: decodeModel(await readFile(model), model), file: model },
    ...(await loadSamples(options.evaluated, bundle.manifest)),
    engines: ["v8", "wasm3"],
    referenceCount,
    offloadCount: 0,
    threads: Math.max(1, availableParallelism() - 1),
    report,
  });
}
