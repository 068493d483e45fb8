/** `hedge eval`: accuracy and agreement of a model and its bundle over labelled images. */
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Bundle } from "../bundle/bundle.ts";
import { isHybrid, type Manifest } from "../bundle/manifest.ts";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import type { Check } from "../explore/checks.ts";
import type { Samples } from "../explore/samples.ts";
import type { ModelFile } from "../import/onnx/model-file.ts";
import { integer, nonNegative } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { Progress } from "./progress.ts";

type Implementation = EngineKind | "reference";
const IMPLEMENTATIONS: readonly Implementation[] = ["reference", ...ENGINE_KINDS];
/** The reference kernels take a fifth of a second per image of a ResNet-20. */
const REFERENCE_COUNT = 20;
const OFFLOAD_COUNT = 500;

interface EvalOptions {
  readonly data?: string;
  readonly images?: string;
  readonly count?: number;
  readonly engines: readonly Implementation[];
  readonly referenceCount: number;
  readonly threshold?: number;
  readonly offload?: number | true;
  readonly threads: number;
  readonly figures?: boolean;
}

/** "v8,wasm3" -> a list without repetitions. */
function implementations(text: string): Implementation[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))];
  const unknown = names.find((name) => !IMPLEMENTATIONS.includes(name as Implementation));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`"${unknown}" is none of ${IMPLEMENTATIONS.join(", ")}.`);
  }
  return names as Implementation[];
}

export function register(program: Command): void {
  program
    .command("eval")
    .summary("measure accuracy, and hold a bundle to its model")
    .description(
      "Runs labelled images through everything that can answer them and counts where the answers differ: the model with its " +
        "quantisers as standard operators on onnxruntime (the grid model), the reference kernels, the compiled module on V8 " +
        "and wasm3, the cloud half, and with --offload a device, a broker and a worker. " +
        "Ends with exit code 5 when an identity that must hold does not.",
    )
    .argument("<paths...>", "a model (.onnx), the folder of its bundle, or both; a model alone is compiled first")
    .option("-d, --data <file>", "records of a label byte and the pixels (hedge data cifar10 writes them)")
    .option("-i, --images <folder>", "a folder of labelled images, such as models/cifar10-test-500")
    .option("-n, --count <images>", "the first so many images only", integer(1, 10_000_000))
    .addOption(
      new Option("-e, --engines <list>", "of reference, v8, wasm3")
        .argParser(implementations)
        .default([...IMPLEMENTATIONS], "all three"),
    )
    .option("--reference-count <images>", "images for the reference kernels", integer(1, 1_000_000), REFERENCE_COUNT)
    .option("--threshold <nats>", "exit threshold (default: the bundle's)", nonNegative)
    .option("--offload [images]", `send images through broker and worker (${OFFLOAD_COUNT})`, integer(1, 1_000_000))
    .option("--threads <count>", "threads of onnxruntime", integer(1, 256), Math.max(1, availableParallelism() - 1))
    .option("--figures", "print `figure NAME VALUE UNIT` lines after the result")
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  hedge eval model.onnx --images models/cifar10-test-500\n" +
        "  hedge eval model.onnx out/ --data data/cifar10/test.bin --engines v8,wasm3 --offload 500",
    )
    .action(async (paths: string[], options: EvalOptions, command: Command) => {
      const globals = globalOptions(command);
      const progress = new Progress(globals);
      try {
        const { evaluation, text, figures } = await run(paths, options, (...done) => progress.update(...done));
        progress.end();
        printResult(globals, evaluation, text);
        if (options.figures) process.stdout.write(`${figures().join("\n")}\n`);
        refuseFailures(evaluation.checks);
      } finally {
        progress.end();
      }
    });
}

interface Evaluated {
  readonly evaluation: { readonly checks: readonly Check[] };
  readonly text: () => string;
  readonly figures: () => string[];
}

async function run(
  paths: readonly string[],
  options: EvalOptions,
  report: (what: string, done: number, total: number) => void,
): Promise<Evaluated> {
  const { bundle, source } = await loadModel(paths);
  const { manifest } = bundle;
  const { images, labels } = await loadSamples(options, manifest);
  const common = {
    bundle,
    source,
    images,
    labels,
    engines: ENGINE_KINDS.filter((kind) => options.engines.includes(kind)).reverse(),
    referenceCount: options.engines.includes("reference") ? options.referenceCount : 0,
    threads: options.threads,
    report,
  };
  if (!isHybrid(manifest)) {
    const odd = (["threshold", "offload", "figures"] as const).find((name) => options[name] !== undefined);
    if (odd)
      throw new HedgeError(
        "usage",
        `${manifest.name} is an edge-only model: --${odd} says nothing of it.`,
        "Leave it out.",
      );
    const { edgeEvaluationText, evaluateEdge } = await import("../explore/evaluate-edge.ts");
    const evaluation = await evaluateEdge(common);
    return { evaluation, text: () => edgeEvaluationText(evaluation), figures: () => [] };
  }
  const [{ evaluate }, { evaluationFigures, evaluationText }] = await Promise.all([
    import("../explore/evaluate.ts"),
    import("../explore/evaluation-text.ts"),
  ]);
  const offloadCount = options.offload === true ? OFFLOAD_COUNT : (options.offload ?? 0);
  const evaluation = await evaluate({ ...common, threshold: options.threshold, offloadCount });
  return { evaluation, text: () => evaluationText(evaluation), figures: () => evaluationFigures(evaluation) };
}

async function loadSamples({ data, images, count }: EvalOptions, manifest: Manifest): Promise<Samples> {
  if (data !== undefined && images === undefined) {
    return (await import("../explore/samples.ts")).readSamples(data, manifest, count);
  }
  if (images !== undefined && data === undefined) {
    return (await import("../explore/strip.ts")).readStripSamples(images, manifest, count);
  }
  throw new HedgeError(
    "usage",
    data === undefined ? "There are no images to evaluate." : "There are two sources of images.",
    "Give either --data FILE (hedge data cifar10 writes one) or --images FOLDER.",
  );
}

interface Loaded {
  readonly bundle: Bundle;
  readonly source?: ModelFile;
}

/** A model, a bundle folder, or one of each in any order. */
async function loadModel(paths: readonly string[]): Promise<Loaded> {
  const folders: string[] = [];
  const files: string[] = [];
  for (const path of paths) {
    const facts = await stat(path).catch((cause) => {
      throw new HedgeError("input", `${path} does not exist.`, "Give a model (.onnx) or the folder of a bundle.", {
        cause,
      });
    });
    (facts.isDirectory() ? folders : files).push(path);
  }
  const [folder, file] = [folders[0], files[0]];
  if (folders.length > 1 || files.length > 1) {
    throw new HedgeError(
      "usage",
      "There are several models or bundles.",
      "Give one model, one bundle, or one of each.",
    );
  }
  const bundle = folder === undefined ? undefined : await (await import("../bundle/read.ts")).readBundle(folder);
  if (file === undefined) return { bundle: bundle! };

  const source = await (await import("../import/onnx/model-file.ts")).readModelFile(file);
  if (bundle === undefined) {
    const { compileSource } = await import("../bundle/compile.ts");
    return { bundle: (await compileSource(source)).bundle, source };
  }
  if (source.sha256 !== bundle.manifest.source.sha256) {
    throw new HedgeError(
      "input",
      `${folder} was compiled from another file than ${file}.`,
      `Compile it again: hedge compile ${file} -o ${folder}`,
    );
  }
  return { bundle, source };
}

function refuseFailures(checks: readonly Check[]): void {
  const failed = checks.filter(({ holds }) => !holds);
  if (failed.length === 0) return;
  const list = failed.map(({ name, found }) => `${name} (${found})`).join("; ");
  throw new HedgeError(
    "check",
    `${failed.length} of ${checks.length} checks failed: ${list}.`,
    "If the bundle was compiled by this version of Hedge, report it: these must hold.",
  );
}
