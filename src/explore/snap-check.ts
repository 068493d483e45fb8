/** A snapped model's module against onnxruntime: the same integers on every sample. */
import type { Bundle } from "../bundle/bundle.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { ROUNDING } from "../graph/operators/quant.ts";
import { packInput } from "./input-bytes.ts";
import { outputsOf, type SnapResult } from "./snap.ts";

/**
 * @param samples real numbers in the file's order
 * @returns on how many samples every integer of the module's output is onnxruntime's
 * @throws HedgeError (input) when onnxruntime refuses the snapped model
 */
export async function equalSamples(
  bundle: Bundle,
  snapped: SnapResult,
  file: string,
  samples: readonly Float32Array[],
): Promise<number> {
  const { input, output } = bundle.manifest;
  if (!output)
    throw new HedgeError("input", `${file} was compiled to a hybrid bundle.`, "Check edge-only bundles this way.");
  const round = ROUNDING.ROUND!;
  const integers = samples.map((sample) =>
    packInput(
      Array.from(sample, (v) => round(v / input.pixelStep)),
      input,
    ),
  );
  const truth = await outputsOf(snapped.model, file, snapped.input, samples);
  const engine = openEngine(bundle, "v8");
  try {
    return integers.filter((bytes, i) => {
      const { logits } = engine.classify(bytes);
      return truth[i]!.every((value, j) => Math.round(value / output.step) + output.zero === logits[j]);
    }).length;
  } finally {
    engine.close();
  }
}
