/** What a load consists of: payloads as the edge part packs them, each with the label that onnxruntime alone gives it. */
import type { Bundle } from "../../bundle/bundle.ts";
import { payloadOf } from "../answers.ts";
import { finalOfEngine } from "../whole.ts";

export interface LoadSample {
  readonly payload: Uint8Array;
  /** The exit's answer and its entropy in nats, as devices say them with the payload. */
  readonly edgeLabel: number;
  readonly entropy: number;
  /** The cloud part's, from onnxruntime without a network in between. */
  readonly label: number;
}

/**
 * Every image goes to the cloud, also those that the exit is sure of.
 * @param images 8-bit integers (pixel - zero), CHW
 * @throws HedgeError (input) for an edge-only bundle
 */
export async function loadSamplesOf(bundle: Bundle, images: readonly Int8Array[]): Promise<LoadSample[]> {
  const { answers, finalLabels } = await finalOfEngine({ bundle, images, threads: 1, kind: "v8", report: () => {} });
  return images.map((_, i) => ({
    payload: payloadOf(answers, i).slice(),
    edgeLabel: answers.labels[i] as number,
    entropy: answers.entropies[i] as number,
    label: finalLabels[i] as number,
  }));
}
