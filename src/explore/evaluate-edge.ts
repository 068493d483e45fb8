/** Holds the bundle of an edge-only model to its model: engines and reference kernels to the bit, onnxruntime by its labels. */
import type { Bundle } from "../bundle/bundle.ts";
import { compileSource } from "../bundle/compile.ts";
import type { Manifest } from "../bundle/manifest.ts";
import type { EngineKind } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { runGraph } from "../graph/run.ts";
import { importModel } from "../import/import.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { ModelFile } from "../import/onnx/model-file.ts";
import type { ImportOptions } from "../import/options.ts";
import { producersOf, withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import type { Check } from "./checks.ts";
import { argMax } from "./entropy.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import { inputValues, unpackInput } from "./input-bytes.ts";
import { OrtModel } from "./ort.ts";

export interface EdgeRow {
  readonly kind: EngineKind | "reference";
  readonly samples: number;
  /** Samples whose output is, to the bit, that of the row above. */
  readonly identical: number;
  readonly msPerSample: number;
}

export interface EdgeEvaluation {
  readonly model: string;
  readonly samples: number;
  /** Share of right labels; absent where the output names none. */
  readonly accuracy?: number;
  /** The original model on onnxruntime: its share of right labels, and samples with the module's label. */
  readonly original?: { readonly accuracy: number; readonly labels: number };
  /** The first row is what the others are compared with. */
  readonly rows: readonly EdgeRow[];
  readonly checks: readonly Check[];
}

export type EdgeEvaluateOptions = Omit<EvaluateOptions, "source" | "threshold" | "offloadCount"> & {
  readonly source?: ModelFile | undefined;
};

/** @throws HedgeErrors (usage, input) for no samples, nothing to run, and models that onnxruntime refuses */
export async function evaluateEdge(options: EdgeEvaluateOptions): Promise<EdgeEvaluation> {
  const { bundle, source, images, labels, engines, referenceCount, report } = options;
  const { manifest } = bundle;
  if (images.length === 0) throw new HedgeError("usage", "There is no sample to evaluate.", "Give at least one.");
  const runs: Run[] = engines.map((kind) => onEngine(bundle, kind, images, report));
  if (source && referenceCount > 0)
    runs.unshift(await onReference(manifest, source, images.slice(0, referenceCount), report));
  const answers = runs.at(-1);
  if (!answers)
    throw new HedgeError(
      "usage",
      "There is nothing to compare.",
      "Give an engine with --engines, or the bundle's model.",
    );
  const rows = runs.map(({ kind, outputs, msPerSample }, i): EdgeRow => {
    const truth = runs[Math.max(0, i - 1)]!.outputs;
    const samples = Math.min(outputs.length, truth.length);
    const identical = outputs.slice(0, samples).filter((output, k) => output.join() === truth[k]!.join()).length;
    return { kind, samples, identical, msPerSample };
  });
  const named = manifest.output!.labels ? answers.outputs.map(argMax) : undefined;
  const right = (found: readonly number[]) => found.filter((label, i) => label === labels[i]).length / found.length;
  const original = named && source && (await onOnnxruntime(manifest, source, images.slice(0, named.length), options));
  const checks = rows.slice(1).map(({ kind, samples, identical }, i) => ({
    name: `${kind} = ${rows[i]!.kind}: outputs`,
    holds: identical === samples,
    found: `${identical} of ${samples}`,
  }));
  return {
    model: manifest.name,
    samples: images.length,
    ...(named && { accuracy: right(named) }),
    ...(original && {
      original: { accuracy: right(original), labels: original.filter((label, i) => label === named[i]).length },
    }),
    rows,
    checks,
  };
}

interface Run {
  readonly kind: EdgeRow["kind"];
  /** Integers of each sample's output. */
  readonly outputs: readonly Int32Array[];
  readonly msPerSample: number;
}

type Images = readonly Int8Array[];
type Report = EvaluateOptions["report"];

function timed(kind: EdgeRow["kind"], images: Images, report: Report, run: (image: Int8Array) => Int32Array): Run {
  const started = performance.now();
  const outputs = images.map((image, i) => {
    const output = run(image);
    report(`${kind}: sample`, i + 1, images.length);
    return output;
  });
  return { kind, outputs, msPerSample: (performance.now() - started) / images.length };
}

function onEngine(bundle: Bundle, kind: EngineKind, images: Images, report: Report): Run {
  const engine = openEngine(bundle, kind);
  try {
    return timed(kind, images, report, (image) => engine.classify(image).logits);
  } finally {
    engine.close();
  }
}

/** The reference kernels of the lowered graph. */
async function onReference({ input }: Manifest, source: ModelFile, images: Images, report: Report): Promise<Run> {
  const { graph, plan } = await compileSource(source, importOptionsOf(input));
  const { tensor, step, zero } = plan.output!;
  return timed("reference", images, report, (image) =>
    Int32Array.from(runGraph(graph, inputValues(image, input)).get(tensor)!, (v) => Math.round(v / step) + zero),
  );
}

/** The labels of the model as it was before any pass. */
async function onOnnxruntime(
  { input, output }: Manifest,
  { model, file }: ModelFile,
  images: Images,
  { threads, report }: EdgeEvaluateOptions,
): Promise<number[]> {
  const { input: declared } = importModel(model, file, importOptionsOf(input));
  const made = producersOf(model.graph);
  const name = made.has(output!.tensor) ? output!.tensor : model.graph.output[0]!.name!;
  const session = await OrtModel.open(encodeModel(withOutputs(expandQuantizers(model, file), [name], file)), file, {
    threads,
  });
  try {
    const labels: number[] = [];
    for (const [i, image] of images.entries()) {
      // In the order of the bytes, which is the file's.
      const data = Float32Array.from(unpackInput(image, input), (n) => n * input.pixelStep);
      const results = await session.run({ [input.name]: { dims: declared.dims, data } }, [name]);
      labels.push(argMax(results.get(name)!.data));
      report("onnxruntime: sample", i + 1, images.length);
    }
    return labels;
  } finally {
    await session.close();
  }
}

/** With these the model is imported as it was for the bundle: a range is that of the file's own quantiser. */
function importOptionsOf({ range, pixelZero, pixelStep }: Manifest["input"]): ImportOptions {
  return range ? {} : { input: { zero: pixelZero, step: pixelStep } };
}

/** For people. */
export function edgeEvaluationText({ model, samples, accuracy, original, rows, checks }: EdgeEvaluation): string {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    `${model} on ${samples} samples (edge-only)`,
    ...(accuracy === undefined ? [] : [`accuracy of the module ${percent(accuracy)}`]),
    ...(original
      ? [`accuracy of the original on onnxruntime ${percent(original.accuracy)}; ${original.labels} labels the same`]
      : []),
    ...rows.map(({ kind, msPerSample }) => `${kind}: ${msPerSample.toFixed(2)} ms a sample`),
    "Checks:",
    ...checks.map(({ name, holds, found }) => `  ${holds ? "ok  " : "FAIL"} ${name}: ${found}`),
  ].join("\n");
}
