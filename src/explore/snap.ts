/** Snaps a float model: calibrates it, puts it on integer grids, and says what that did to its answers. */
import { HedgeError } from "../errors.ts";
import { type ImportedModel, importModel } from "../import/import.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { Unsupported } from "../import/onnx/unsupported.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { writeGraph } from "../passes/onnx/write-graph.ts";
import { prepareToSnap, type SnapOptions, snapGraph } from "../passes/snap.ts";
import { measureRanges } from "./calibrate.ts";
import { argMax } from "./entropy.ts";
import { OrtModel } from "./ort.ts";

export interface SnapResult {
  /** QONNX: quantisers of powers of two on activations, weights and biases. */
  readonly model: OnnxModel;
  readonly input: ImportedModel["input"];
}

const QUANTISERS: ReadonlySet<string> = new Set(["quant", "bipolarQuant", "trunc"]);

/**
 * @param samples real numbers in the file's order, see readSampleSet
 * @throws HedgeError (input) for hybrid models, models with quantisers, operators that do not compile, and what onnxruntime refuses
 */
export async function snapModel(
  model: OnnxModel,
  file: string,
  samples: readonly Float32Array[],
  options: SnapOptions,
): Promise<SnapResult> {
  const imported = importModel(model, file);
  if (imported.metadata)
    throw new HedgeError(
      "input",
      `${file} is a hybrid model, whose edge part is trained on the grid.`,
      "Snap models without hedge.* metadata, or train this one with tools/train.",
    );
  const { edge, input } = imported;
  const quantiser = edge.nodes.find(({ op }) => QUANTISERS.has(op));
  if (quantiser)
    throw new HedgeError(
      "input",
      `${file} is quantised already: "${quantiser.name}" is a quantiser.`,
      "Compile it without --snap.",
    );
  const sample = { dims: input.dims.length > 1 ? input.dims.slice(1) : input.dims, layout: input.layout };
  try {
    const graph = prepareToSnap(edge);
    for (const name of options.bitsOf?.keys() ?? [])
      if (!graph.nodes.some(({ output }) => output === name))
        throw new HedgeError(
          "usage",
          `${file} computes no tensor "${name}" that could be given bits.`,
          "Name a tensor that a layer reads; hedge compile --dump pass shows them.",
        );
    const ranges = await measureRanges(graph, samples, sample, file);
    const snapped = snapGraph(graph, ranges, options);
    return { model: writeGraph(snapped.graph, { quantised: snapped.quantised, sample }), input };
  } catch (cause) {
    if (!(cause instanceof Unsupported)) throw cause;
    throw new HedgeError("input", `${file}: ${cause.message}.`, cause.remedy, { cause, code: "H201" });
  }
}

/** What a model and its snapped form make of the same samples. */
export interface SnapComparison {
  readonly samples: number;
  /** Samples in which the largest output is the same one: the label. */
  readonly agreeing: number;
  /** Samples with the right label, where labels are given. */
  readonly correct?: { readonly original: number; readonly snapped: number };
  /** Root of the mean squared difference of the outputs, over that of the original's. Says nothing where a softmax was dropped. */
  readonly relativeError: number;
}

/**
 * @param samples real numbers in the file's order
 * @throws HedgeError (input) when onnxruntime refuses one of the models
 */
export async function compareSnapped(
  original: OnnxModel,
  { model: snapped, input }: SnapResult,
  file: string,
  samples: readonly Float32Array[],
  labels?: readonly number[],
): Promise<SnapComparison> {
  const before = await outputsOf(original, file, input, samples);
  const after = await outputsOf(snapped, file, input, samples);
  const [own, theirs] = [before, after].map((rows) => rows.map((row) => argMax(row))) as [number[], number[]];
  const hits = (found: readonly number[]): number => found.filter((label, i) => label === labels![i]).length;
  return {
    samples: samples.length,
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
 * The model's first output for each sample, with its quantisers as standard operators, on onnxruntime.
 * @throws HedgeError (input) when onnxruntime refuses the model
 */
export async function outputsOf(
  model: OnnxModel,
  file: string,
  input: ImportedModel["input"],
  samples: readonly Float32Array[],
): Promise<Float32Array[]> {
  const output = model.graph.output[0]!.name!;
  const session = await OrtModel.open(encodeModel(expandQuantizers(model, file)), file);
  const rows: Float32Array[] = [];
  try {
    for (const sample of samples) {
      const results = await session.run({ [input.name]: { dims: input.dims, data: sample } }, [output]);
      rows.push(results.get(output)!.data);
    }
  } finally {
    await session.close();
  }
  return rows;
}
