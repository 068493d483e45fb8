/** The full depth on every sample: the grid model in one piece, and the edge's payloads through the cloud half. */
import type { Bundle } from "../bundle/bundle.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import type { EngineKind } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { type Answers, decide, emptyAnswers, payloadOf, setPayload } from "./answers.ts";
import { metadataOf } from "./bundle-model.ts";
import { CloudHalf } from "./cloud-half.ts";
import { argMax } from "./entropy.ts";
import { GridModel, packCut } from "./grid-model.ts";
import { type Report, runEngine } from "./run-edge.ts";

/** Images per run of onnxruntime: enough to keep it busy, small enough to stay in cache. */
const BATCH = 50;

interface Common {
  readonly bundle: Bundle;
  readonly images: readonly Int8Array[];
  readonly threads: number;
  readonly report: Report;
}

export interface Whole {
  /** The edge part's answers, with the payload of every sample. */
  readonly answers: Answers;
  /** Labels of the cloud half, from packed payloads. */
  readonly finalLabels: Uint16Array;
  /** An engine's payloads against the grid model's, exited samples included. */
  readonly payloads?: { readonly samples: number; readonly identical: number };
  readonly halves?: { readonly samples: number; readonly labels: number; readonly largestDifference: number };
}

/** The grid model on every image, its payloads packed and finished by the cloud half; the first engine's payloads beside them. */
export async function finalOfGrid(
  options: Common & {
    readonly source: { readonly model: OnnxModel; readonly file: string };
    readonly engines: readonly EngineKind[];
    readonly threshold: number;
  },
): Promise<Whole> {
  const { bundle, images, threads, threshold, report, source } = options;
  const { classes, payload } = bundle.manifest;
  const metadata = metadataOf(requireHybrid(bundle.manifest));
  const answers = emptyAnswers(images.length, classes.length, payload?.bytes ?? 0);
  const finalLabels = new Uint16Array(images.length);
  const grid = await GridModel.open(source.model, metadata, source.file, { threads });
  const cloud = payload ? await CloudHalf.open(bundle, { threads }) : undefined;
  let labels = 0;
  let largestDifference = 0;
  for (let start = 0; start < images.length; start += BATCH) {
    const batch = images.slice(start, start + BATCH);
    const out = await grid.run(batch);
    const features = out.cut.length / batch.length;
    batch.forEach((_, k) => {
      decide(answers, start + k, rowOf(out.exitLogits, k, classes.length), threshold);
      if (payload) setPayload(answers, start + k, packCut(rowOf(out.cut, k, features), payload));
    });
    const logits = cloud ? await cloud.run(batch.map((_, k) => payloadOf(answers, start + k))) : out.finalLogits;
    batch.forEach((_, k) => {
      finalLabels[start + k] = argMax(rowOf(logits, k, classes.length));
      if (finalLabels[start + k] === argMax(rowOf(out.finalLogits, k, classes.length))) labels++;
    });
    logits.forEach((logit, i) => {
      largestDifference = Math.max(largestDifference, Math.abs(logit - out.finalLogits[i]!));
    });
    report("grid model: image", Math.min(start + BATCH, images.length), images.length);
  }
  await grid.close();
  await cloud?.close();
  const halves = cloud ? { halves: { samples: images.length, labels, largestDifference } } : {};
  const [kind] = options.engines;
  if (!kind || !payload) return { answers, finalLabels, ...halves };

  const everything = offloadAll(options, kind);
  let identical = 0;
  for (let i = 0; i < images.length; i++) {
    if (Buffer.compare(payloadOf(everything, i), payloadOf(answers, i)) === 0) identical++;
  }
  return { answers, finalLabels, payloads: { samples: images.length, identical }, ...halves };
}

/** Without the model: an engine that offloads everything, and the cloud half. */
export async function finalOfEngine(options: Common & { readonly kind: EngineKind }): Promise<Whole> {
  const { bundle, images, threads, kind } = options;
  const answers = offloadAll(options, kind);
  const finalLabels = Uint16Array.from(answers.labels);
  if (!bundle.manifest.payload) return { answers, finalLabels };
  const cloud = await CloudHalf.open(bundle, { threads });
  for (let start = 0; start < images.length; start += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, images.length - start) }, (_, k) =>
      payloadOf(answers, start + k),
    );
    const logits = await cloud.run(rows);
    rows.forEach((_, k) => {
      finalLabels[start + k] = argMax(rowOf(logits, k, answers.classes));
    });
  }
  await cloud.close();
  return { answers, finalLabels };
}

function offloadAll({ bundle, images, report }: Common, kind: EngineKind): Answers {
  const engine = openEngine(bundle, kind, { threshold: 0 });
  try {
    return runEngine(engine, images, report).answers;
  } finally {
    engine.close();
  }
}

function rowOf(values: Float32Array, row: number, size: number): Float32Array {
  return values.subarray(row * size, (row + 1) * size);
}
