/** Samples that a device classifies by its own model. */
import type { Bundle } from "../bundle/bundle.ts";
import { ENTROPY_SCALE } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import type { RemoteDevice } from "../remote/remote-device.ts";
import type { Answer } from "../wire/device-frames.ts";
import type { Classification } from "./classify.ts";

/** What a device says of a sample; an operator does not learn how sure the cloud was. */
export interface DeviceClassification extends Classification {
  /** Milliseconds on the device's engine. */
  readonly engineMs: number;
}

/**
 * @param bundle of the model that the device runs: its input's layout and the names of its classes
 * @param samples as the bundle's input (see readSample)
 * @returns in their order
 * @throws HedgeErrors: input when the device runs another model, or answers with more than labels; as RemoteDevice does
 */
export async function classifyOnDevice(
  { manifest, digest }: Bundle,
  samples: readonly Int8Array[],
  device: RemoteDevice,
): Promise<DeviceClassification[]> {
  const { model } = await device.describe();
  if (model?.digest !== digest) {
    throw new HedgeError(
      "input",
      `${device.name} runs ${model ? `another model (${model.name})` : "no model"}, not ${manifest.name} as it is in this bundle.`,
      "Put it on the device: hedge flash.",
    );
  }
  if (manifest.output && !manifest.output.labels) {
    throw new HedgeError(
      "input",
      `The output of ${manifest.name} is no vector of logits, and a device answers an operator with labels.`,
      "Run it here: hedge run without a device.",
    );
  }
  const answers = await Promise.all(samples.map((sample) => device.sample(new Uint8Array(sample.buffer))));
  return answers.map((answer) => ({
    label: answer.label,
    class: manifest.classes[answer.label] ?? String(answer.label),
    // Of a sample that is not taken there is a Refusal instead.
    source: answer.source as Exclude<Answer["source"], "notTaken">,
    entropy: manifest.output ? undefined : answer.entropy / ENTROPY_SCALE,
    payloadBytes: answer.attempts > 0 ? manifest.payload!.bytes : 0,
    engineMs: answer.micros / 1000,
  }));
}
