/** What snapping did to a model's answers. */
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { argMax } from "./entropy.ts";
import { OrtModel } from "./ort.ts";
import type { SnapResult } from "./snap.ts";

/** What a model's output and that of its snapped form are on the same samples. */
export interface OutputComparison {
  /** Samples in which the largest element is the same one: the label. */
  readonly agreeing: number;
  /** Samples with the right label, where labels are given. */
  readonly correct?: { readonly original: number; readonly snapped: number };
  /** Root of the mean squared difference of the outputs, over that of the original's. Says nothing where a softmax was dropped. */
  readonly relativeError: number;
}

/** Of the whole network's output, that of the cloud part in a hybrid model. */
export interface SnapComparison extends OutputComparison {
  readonly samples: number;
  /** Of hybrid models: of the exit's logits, whatever the exit rule makes of them. */
  readonly exit?: OutputComparison;
}

/**
 * @param samples real numbers in the file's order
 * @throws HedgeError (input) when onnxruntime refuses one of the models
 */
export async function compareSnapped(
  original: OnnxModel,
  { model: snapped, input, metadata }: SnapResult,
  file: string,
  samples: readonly Float32Array[],
  labels?: readonly number[],
): Promise<SnapComparison> {
  const named = (model: OnnxModel): string[] =>
    metadata ? [metadata.output, metadata.exit.logits] : [model.graph.output[0]!.name!];
  const before = await outputsOf(original, file, input, samples, named(original));
  const after = await outputsOf(snapped, file, input, samples, named(snapped));
  const [whole, exit] = before.map((rows, i) => compareRows(rows, after[i]!, labels)) as [
    OutputComparison,
    OutputComparison?,
  ];
  return { samples: samples.length, ...whole, ...(exit && { exit }) };
}

function compareRows(
  before: readonly Float32Array[],
  after: readonly Float32Array[],
  labels?: readonly number[],
): OutputComparison {
  const [own, theirs] = [before, after].map((rows) => rows.map((row) => argMax(row))) as [number[], number[]];
  const hits = (found: readonly number[]): number => found.filter((label, i) => label === labels![i]).length;
  return {
    agreeing: own.filter((label, i) => label === theirs[i]).length,
    ...(labels && { correct: { original: hits(own), snapped: hits(theirs) } }),
    relativeError: relativeError(before, after),
  };
}

function relativeError(before: readonly Float32Array[], after: readonly Float32Array[]): number {
  let [error, power] = [0, 0];
  for (const [i, row] of before.entries())
    for (const [j, value] of row.entries()) {
      error += (value - after[i]![j]!) ** 2;
      power += value ** 2;
    }
  return Math.sqrt(error / Math.max(power, Number.MIN_VALUE));
}

/**
 * Tensors of a model for each sample, with its quantisers as standard operators, on onnxruntime.
 * @param names the tensors
 * @returns for each of them its values, sample by sample
 * @throws HedgeError (input) when onnxruntime refuses the model
 */
export async function outputsOf(
  model: OnnxModel,
  file: string,
  input: SnapResult["input"],
  samples: readonly Float32Array[],
  names: readonly string[],
): Promise<Float32Array[][]> {
  const session = await OrtModel.open(encodeModel(expandQuantizers(withOutputs(model, names, file), file)), file);
  const rows: Float32Array[][] = names.map(() => []);
  try {
    for (const sample of samples) {
      const results = await session.run({ [input.name]: { dims: input.dims, data: sample } }, names);
      for (const [i, name] of names.entries()) rows[i]!.push(results.get(name)!.data);
    }
  } finally {
    await session.close();
  }
  return rows;
}
