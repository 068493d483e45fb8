/** Classifies single samples with a bundle: on an engine, and where the exit is unsure in the cloud part or over a broker. */
import { randomBytes } from "node:crypto";
import type { Bundle } from "../bundle/bundle.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import { DeviceClient } from "../device/client.ts";
import { type EdgeResult, ENTROPY_SCALE, type EngineKind } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { type BrokerAccess, certificateName } from "../wire/broker-access.ts";
import { CloudHalf } from "./cloud-half.ts";
import { argMax } from "./entropy.ts";

/** Who finishes what the exit is not sure of: this process, nobody (the exit's answer stands), or a worker behind a broker. */
export type Finisher =
  | { readonly by: "here" }
  | { readonly by: "nobody" }
  | { readonly by: "broker"; readonly access: BrokerAccess };

export interface Classification {
  /** -1 where an edge-only model's output is no vector of logits. */
  readonly label: number;
  /** Name of the label; its number where the model names none. */
  readonly class: string;
  /** edge: the exit was sure, or there is no cloud part. cloud: the cloud part answered. fallback: the exit's answer although it was not sure. */
  readonly source: "edge" | "cloud" | "fallback";
  /** Entropy of the exit's softmax in nats; edge-only models have no exit. */
  readonly entropy?: number | undefined;
  /** An edge-only model's output in row-major order. */
  readonly outputs?: readonly number[] | undefined;
  /** Probability of the label where the cloud part answered. */
  readonly confidence?: number | undefined;
  /** Bytes of features that the sample sent; 0 when the exit answered. */
  readonly payloadBytes: number;
}

export interface ClassifyOptions {
  readonly engine: EngineKind;
  /** In nats; default the bundle's. */
  readonly threshold?: number | undefined;
  readonly finisher: Finisher;
}

/**
 * Samples as the bundle's input (see readSample); results in their order.
 * @throws HedgeError (usage, input) for a threshold or a broker where the model is edge-only, and as engines and clients do
 */
export async function classifySamples(
  bundle: Bundle,
  samples: readonly Int8Array[],
  { engine: kind, threshold, finisher }: ClassifyOptions,
): Promise<Classification[]> {
  if (finisher.by === "broker") requireHybrid(bundle.manifest);
  const { classes, payload, output } = bundle.manifest;
  const engine = openEngine(bundle, kind, { threshold });
  const describe = (
    edge: EdgeResult,
    label: number,
    source: Classification["source"],
    confidence?: number,
  ): Classification => ({
    label,
    class: classes[label] ?? String(label),
    source,
    entropy: output ? undefined : edge.entropy / ENTROPY_SCALE,
    outputs: output && Array.from(edge.logits, (n) => (n - output.zero) * output.step),
    confidence,
    payloadBytes: edge.exited || finisher.by === "nobody" ? 0 : (payload?.bytes ?? 0),
  });
  try {
    if (finisher.by === "broker") {
      const { access } = finisher;
      const id = (await certificateName(access.tls)) ?? `hedge-run-${randomBytes(4).toString("hex")}`;
      const device = await DeviceClient.connect({ id, ...access, engine, digest: bundle.digest });
      try {
        const taken = [];
        for (const sample of samples) taken.push(await device.submit(sample));
        const answers = await Promise.all(taken.map(({ answer }) => answer));
        return answers.map((a) => describe(a.edge, a.label, a.source, a.confidence));
      } finally {
        await device.close();
      }
    }
    const edges = samples.map((sample) => engine.classify(sample));
    const unsure = edges.filter((edge) => !edge.exited);
    const payloads = unsure.flatMap((edge) => edge.payload ?? []);
    const finished =
      finisher.by === "here" && payloads.length > 0 ? await finish(bundle, payloads) : new Map<Uint8Array, Finished>();
    return edges.map((edge) => {
      const answer = edge.payload && finished.get(edge.payload);
      if (edge.exited) return describe(edge, edge.label, "edge");
      return answer ? describe(edge, answer.label, "cloud", answer.confidence) : describe(edge, edge.label, "fallback");
    });
  } finally {
    engine.close();
  }
}

interface Finished {
  readonly label: number;
  readonly confidence: number;
}

async function finish(bundle: Bundle, payloads: readonly Uint8Array[]): Promise<Map<Uint8Array, Finished>> {
  const cloud = await CloudHalf.open(bundle, { threads: 1 });
  try {
    const logits = await cloud.run(payloads);
    const classes = bundle.manifest.classes.length;
    return new Map(
      payloads.map((payload, i) => {
        const row = logits.subarray(i * classes, (i + 1) * classes);
        const label = argMax(row);
        const sum = row.reduce((total, logit) => total + Math.exp(logit - row[label]!), 0);
        return [payload, { label, confidence: 1 / sum }];
      }),
    );
  } finally {
    await cloud.close();
  }
}
