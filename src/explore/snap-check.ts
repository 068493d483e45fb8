/** A snapped model's module against onnxruntime: the same integers on every sample. */
import type { Bundle } from "../bundle/bundle.ts";
import type { Manifest } from "../bundle/manifest.ts";
import type { EdgeResult } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { ROUNDING } from "../graph/operators/quant.ts";
import { unpackPayload } from "../wire/payload.ts";
import { packInput } from "./input-bytes.ts";
import type { SnapResult } from "./snap.ts";
import { outputsOf } from "./snap-compare.ts";

/**
 * @param samples real numbers in the file's order
 * @returns on how many samples every integer of the module's output is onnxruntime's; of a hybrid model, of the exit's logits and the payload
 * @throws HedgeError (input) when onnxruntime refuses the snapped model
 */
export async function equalSamples(
  bundle: Bundle,
  { model, input: declared }: SnapResult,
  file: string,
  samples: readonly Float32Array[],
): Promise<number> {
  const { input, exit, cloud } = bundle.manifest;
  const round = ROUNDING.ROUND!;
  const integers = samples.map((sample) =>
    packInput(
      Array.from(sample, (v) => round(v / input.pixelStep)),
      input,
    ),
  );
  const names = exit && cloud ? [exit.tensor, cloud.input] : [model.graph.output[0]!.name!];
  const [outputs, features] = (await outputsOf(model, file, declared, samples, names)) as [
    Float32Array[],
    Float32Array[]?,
  ];
  const engine = openEngine(bundle, "v8");
  try {
    // Every sample has a payload then.
    if (exit) engine.threshold = 0;
    return integers.filter((bytes, i) => isEqual(bundle.manifest, engine.classify(bytes), outputs[i]!, features?.[i]))
      .length;
  } finally {
    engine.close();
  }
}

function isEqual(
  { output, exit, payload }: Manifest,
  result: EdgeResult,
  values: Float32Array,
  features: Float32Array | undefined,
): boolean {
  const { step, zero } = output ?? { step: exit!.logitStep, zero: 0 };
  if (!values.every((value, j) => Math.round(value / step) + zero === result.logits[j])) return false;
  if (!features) return true;
  const sent = result.payload && unpackPayload(payload!, result.payload);
  return sent?.every((value, j) => value === features[j]) ?? false;
}
