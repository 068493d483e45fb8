/**
 * Holds a compiled bundle to its model: the grid model on onnxruntime, reference kernels, engines, the two halves against the whole,
 * and the offloaded path, all on the same labelled images.
 */
import type { Bundle } from "../bundle/bundle.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import type { EngineKind } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { importModel } from "../import/import.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { type HybridAccuracy, hybridAccuracy } from "./accuracy.ts";
import { type Agreement, type Answers, compareAnswers, countIdentical } from "./answers.ts";
import { importOptionsOf } from "./bundle-model.ts";
import { type Check, checksOf } from "./checks.ts";
import { runOffload } from "./offload-run.ts";
import { type Report, runEngine, runReference } from "./run-edge.ts";
import { finalOfEngine, finalOfGrid, type Whole } from "./whole.ts";

export interface EvaluateOptions {
  readonly bundle: Bundle;
  /** The model that the bundle was compiled from; without it the engines are compared with each other alone. */
  readonly source?: { readonly model: OnnxModel; readonly file: string } | undefined;
  /** 8-bit integers (pixel - zero), CHW. */
  readonly images: readonly Int8Array[];
  readonly labels: ArrayLike<number>;
  readonly engines: readonly EngineKind[];
  /** In nats; the bundle's where absent. */
  readonly threshold?: number | undefined;
  /** Images for the reference kernels, which are slow; needs `source`. */
  readonly referenceCount: number;
  /** Images to send through broker and worker. */
  readonly offloadCount: number;
  /** Threads of onnxruntime. */
  readonly threads: number;
  readonly report: Report;
}

export interface EdgeReport extends Agreement {
  readonly kind: EngineKind | "reference";
  readonly msPerSample: number;
}

export interface OffloadReport {
  readonly samples: number;
  readonly offloaded: number;
  /** Offloaded samples without a confirmed answer. */
  readonly lost: number;
  /** Answers with the label that the halves give without a network. */
  readonly labels: number;
  readonly bytesPerOffload: number;
  readonly accuracy: number;
}

export interface Evaluation {
  readonly model: string;
  readonly samples: number;
  readonly threshold: number;
  /** What `edges` are compared with. */
  readonly truth: "grid model" | EngineKind;
  /** Exit decisions of the module where an engine ran, of the grid model else. */
  readonly accuracy: HybridAccuracy;
  readonly edges: readonly EdgeReport[];
  /** Every payload, exited samples included (threshold 0), of one engine against the grid model. */
  readonly payloads?: { readonly samples: number; readonly identical: number };
  readonly enginesIdentical?: { readonly samples: number; readonly identical: number };
  /** Monolithic model against edge and cloud halves. */
  readonly halves?: { readonly samples: number; readonly labels: number; readonly largestDifference: number };
  readonly offload?: OffloadReport;
  readonly checks: readonly Check[];
}

/** @throws HedgeErrors (usage, input) for a bundle of another model and images that do not fit; failing checks are in the result */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { bundle, source, images, labels, engines, report } = options;
  const manifest = requireHybrid(bundle.manifest);
  const threshold = options.threshold ?? manifest.exit.threshold;
  if (images.length === 0) throw new HedgeError("usage", "There is no image to evaluate.", "Give at least one image.");
  if (engines.length === 0 && !source) {
    throw new HedgeError(
      "usage",
      "There is nothing to compare.",
      "Give an engine with --engines, or the bundle's model.",
    );
  }

  const runs = new Map<EngineKind, { answers: Answers; msPerSample: number }>();
  for (const kind of engines) {
    const engine = openEngine(bundle, kind, { threshold });
    try {
      runs.set(kind, runEngine(engine, images, report));
    } finally {
      engine.close();
    }
  }
  const whole: Whole = source
    ? await finalOfGrid({ ...options, source, threshold })
    : await finalOfEngine({ ...options, kind: engines[0]! });
  const truth = source ? whole.answers : runs.get(engines[0]!)!.answers;

  const edges: EdgeReport[] = [...runs].map(([kind, { answers, msPerSample }]) => ({
    kind,
    ...compareAnswers(answers, truth, threshold),
    msPerSample,
  }));
  if (source && options.referenceCount > 0) {
    const some = images.slice(0, options.referenceCount);
    const { edge } = importModel(source.model, source.file, importOptionsOf(manifest));
    const settings = {
      pixelStep: manifest.input.pixelStep,
      threshold,
      layout: manifest.payload,
      payloadBytes: manifest.payload?.bytes ?? 0,
    };
    const { answers, msPerSample } = runReference(edge, some, settings, report);
    edges.unshift({ kind: "reference", ...compareAnswers(answers, truth, threshold), msPerSample });
  }

  const [first, second] = [...runs.values()];
  const decided = first?.answers ?? truth;
  const partial = {
    model: manifest.name,
    samples: images.length,
    threshold,
    truth: source ? ("grid model" as const) : engines[0]!,
    accuracy: hybridAccuracy(labels, decided.labels, whole.finalLabels, decided.exited),
    edges,
    ...(whole.payloads ? { payloads: whole.payloads } : {}),
    ...(first && second ? { enginesIdentical: countIdentical(first.answers, second.answers) } : {}),
    ...(whole.halves ? { halves: whole.halves } : {}),
    ...(options.offloadCount > 0 ? { offload: await offload(options, threshold, decided, whole.finalLabels) } : {}),
  };
  return { ...partial, checks: checksOf(partial) };
}

async function offload(
  { bundle, engines, images, labels, offloadCount, report }: EvaluateOptions,
  threshold: number,
  decided: Answers,
  finalLabels: Uint16Array,
): Promise<OffloadReport> {
  const some = images.slice(0, offloadCount);
  // The last one: wasm3, if it was asked for, is what a device has.
  const engine = openEngine(bundle, engines.at(-1) ?? "v8", { threshold });
  const { answers, bytesPerOffload } = await runOffload(bundle, engine, some, report);
  const sent = answers.filter(({ source }) => source !== "edge");
  const right = answers.filter(({ label }, i) => label === labels[i]).length;
  return {
    samples: answers.length,
    offloaded: sent.length,
    lost: sent.filter(({ confirmed }) => !confirmed).length,
    labels: answers.filter(({ label }, i) => label === (decided.exited[i] ? decided.labels[i] : finalLabels[i])).length,
    bytesPerOffload,
    accuracy: right / answers.length,
  };
}
