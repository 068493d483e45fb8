/** A real cloud part for the tiny model: one matrix of small integers over the four signs, so that its labels can be computed by hand. */
import { createBundle } from "../../src/bundle/bundle.ts";
import { floats, model, node, value } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { tinyBundle, tinyDraft, tinyWasm } from "./tiny-bundle.ts";

/** [class][pixel]; every row and every tie is different enough for all three labels to occur. */
const WEIGHTS = [
  [3, -5, 1, 2],
  [-2, 4, -7, 1],
  [1, 1, 6, -8],
] as const;

export function tinyCloudOnnx(weights: readonly (readonly number[])[] = WEIGHTS): Uint8Array {
  return encodeModel(
    model({
      nodes: [node("Flatten", ["cut"], ["flat"]), node("Gemm", ["flat", "w"], ["logits"], { transB: { int: 1 } })],
      initializers: [floats("w", [weights.length, 4], weights.flat())],
      inputs: [value("cut", ["batch", 1, 2, 2])],
      outputs: [value("logits", ["batch", weights.length])],
    }),
  );
}

/** The tiny hybrid model, its cloud part included. */
export const tinyHybrid = () => tinyBundle({ cloudOnnx: tinyCloudOnnx() });

/** The same device part with another name, so with another digest. */
export const otherHybrid = () =>
  createBundle(
    { ...tinyDraft(), name: "other" },
    { edgeWasm: tinyWasm(), weights: Uint8Array.of(5, 253, 1), cloudOnnx: tinyCloudOnnx() },
  );

/** The cloud part's label for four pixels. */
export function tinyCloudLabel(input: Int8Array): number {
  const logits = WEIGHTS.map((row) =>
    row.reduce((sum, weight, i) => sum + weight * ((input[i] as number) >= 0 ? 1 : -1), 0),
  );
  return logits.indexOf(Math.max(...logits));
}

/** The `i`-th of many samples; its fourth pixel is large, so that the exit is not sure. */
export function unsureSample(i: number): Int8Array {
  const sign = (bit: number) => ((i >> bit) & 1 ? 1 : -1);
  return Int8Array.of(sign(0) * (1 + (i % 50)), sign(1) * 9, sign(2) * 7, sign(3) * 100);
}
