/** The edge part over many samples: on an engine, and on the reference kernels. */
import { resultCount } from "../bundle/manifest.ts";
import { ENTROPY_SCALE, type Engine } from "../engine/engine.ts";
import { elementCount, type Graph, tensorOf } from "../graph/graph.ts";
import { runGraph } from "../graph/run.ts";
import type { PayloadLayout } from "../wire/payload.ts";
import { type Answers, decide, emptyAnswers, setPayload } from "./answers.ts";
import { packCut } from "./grid-model.ts";

/** Called after each sample or batch. */
export type Report = (what: string, done: number, total: number) => void;

export interface EdgeRun {
  readonly answers: Answers;
  /** Milliseconds per sample, of this process. */
  readonly msPerSample: number;
}

/** Runs the samples on an engine, with its threshold; entropies are in nats, logits in their own units (not in steps). */
export function runEngine(engine: Engine, images: readonly Int8Array[], report: Report): EdgeRun {
  const { payload, exit, output } = engine.manifest;
  const classes = resultCount(engine.manifest);
  const step = exit ? exit.logitStep : output!.step;
  const answers = emptyAnswers(images.length, classes, payload?.bytes ?? 0);
  const started = performance.now();
  images.forEach((image, i) => {
    const result = engine.classify(image);
    answers.labels[i] = result.label;
    answers.exited[i] = result.exited ? 1 : 0;
    answers.entropies[i] = result.entropy / ENTROPY_SCALE;
    result.logits.forEach((logit, k) => {
      answers.logits[i * classes + k] = (logit - (output?.zero ?? 0)) * step;
    });
    if (result.payload) setPayload(answers, i, result.payload);
    report(`${engine.kind}: image`, i + 1, images.length);
  });
  return { answers, msPerSample: (performance.now() - started) / Math.max(1, images.length) };
}

/** Runs the samples on the reference kernels of the imported edge graph (outputs: exit logits, then the cut). */
export function runReference(
  graph: Graph,
  images: readonly Int8Array[],
  options: { pixelStep: number; threshold: number; layout?: PayloadLayout | undefined; payloadBytes: number },
  report: Report,
): EdgeRun {
  const [logits, cut] = graph.outputs;
  const classes = elementCount(tensorOf(graph, logits!).shape);
  const answers = emptyAnswers(images.length, classes, options.payloadBytes);
  const started = performance.now();
  images.forEach((image, i) => {
    const values = runGraph(
      graph,
      Float64Array.from(image, (level) => level * options.pixelStep),
    );
    decide(answers, i, values.get(logits!)!, options.threshold);
    const features = cut === undefined ? undefined : values.get(cut);
    if (features && options.layout) setPayload(answers, i, packCut(Float32Array.from(features), options.layout));
    report("reference kernels: image", i + 1, images.length);
  });
  return { answers, msPerSample: (performance.now() - started) / Math.max(1, images.length) };
}
