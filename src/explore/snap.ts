/** Snaps a float model: calibrates it, and puts what runs on the device on integer grids. */
import { HedgeError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { type ImportedModel, importModel } from "../import/import.ts";
import { type HybridMetadata, hasMetadata, metadataProps } from "../import/metadata.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { Unsupported } from "../import/onnx/unsupported.ts";
import type { ImportOptions } from "../import/options.ts";
import { splitCloud } from "../passes/onnx/extract.ts";
import { joinParts } from "../passes/onnx/join.ts";
import { writeGraph } from "../passes/onnx/write-graph.ts";
import { CUT_BITS, inputStep, prepareToSnap, quantiserIn, type SnapOptions, snapGraph } from "../passes/snap.ts";
import { rangeOfSamples } from "../passes/storage.ts";
import { measureRanges } from "./calibrate.ts";
import { outputsOf } from "./snap-compare.ts";

export interface SnapResult {
  /** QONNX: quantisers of powers of two on activations, weights and biases; behind the cut of a hybrid model its cloud part as it was. */
  readonly model: OnnxModel;
  readonly input: ImportedModel["input"];
  /** Of hybrid models, as the file says it. */
  readonly metadata?: HybridMetadata | undefined;
}

/** What a payload's levels may have. */
const PAYLOAD_BITS: readonly number[] = [1, 2, 4, 8];
/** Of so many samples the whole cut is kept, to choose its levels. */
const CUT_SAMPLES = 256;

/**
 * @param samples real numbers in the file's order, see readSampleSet
 * @throws HedgeError (input) for models with quantisers on the device, operators that do not compile, and what onnxruntime refuses;
 *     (usage) for bits that a tensor cannot have
 */
export async function snapModel(
  model: OnnxModel,
  file: string,
  samples: readonly Float32Array[],
  options: SnapOptions & ImportOptions,
): Promise<SnapResult> {
  const { edge, input, metadata } = importModel(model, file, withInput(model, samples, options));
  const quantiser = quantiserIn(edge);
  if (quantiser)
    throw new HedgeError(
      "input",
      `${file} is quantised already: "${quantiser.name}" is a quantiser.`,
      "Compile it without --snap.",
    );
  const cloud = metadata && splitCloud(model, metadata.cut, metadata.output, { file });
  const sample = { dims: input.dims.length > 1 ? input.dims.slice(1) : input.dims, layout: input.layout };
  try {
    const graph = prepareToSnap(edge);
    checkBits(graph, file, options.bitsOf, metadata?.cut);
    const ranges = await measureRanges(graph, samples, sample, file);
    const few = metadata && (options.bitsOf?.get(metadata.cut) ?? CUT_BITS) < CUT_BITS;
    const looked = samples.slice(0, CUT_SAMPLES);
    const [cutValues] = few ? await outputsOf(model, file, input, looked, [metadata.cut]) : [];
    const snapped = snapGraph(graph, ranges, { ...options, cutValues });
    const written = writeGraph(snapped.graph, { quantised: snapped.quantised, sample });
    if (!metadata || !cloud) return { model: written, input };
    const { cut, exit } = metadata;
    const parts = { cut, exit: exit.logits, metadata: metadataProps(metadata), file };
    return { model: joinParts(written, cloud, parts), input, metadata };
  } catch (cause) {
    if (!(cause instanceof Unsupported)) throw cause;
    throw new HedgeError("input", `${file}: ${cause.message}.`, cause.remedy, { cause, code: "H201" });
  }
}

/** A hybrid model without metadata has to say what its pixels are worth: as much as reaches the samples, where nobody says it. */
function withInput(model: OnnxModel, samples: readonly Float32Array[], options: ImportOptions): ImportOptions {
  if (options.input || options.cut === undefined || hasMetadata(model)) return options;
  return { ...options, input: { zero: 128, step: inputStep(rangeOfSamples(samples)) } };
}

function checkBits(graph: Graph, file: string, bitsOf: SnapOptions["bitsOf"], cut: string | undefined): void {
  for (const [name, bits] of bitsOf ?? []) {
    if (!graph.nodes.some(({ output }) => output === name))
      throw new HedgeError(
        "usage",
        `${file} computes no tensor "${name}" that could be given bits.`,
        "Name a tensor that a layer reads; hedge compile --dump pass shows them.",
      );
    if (name === cut ? !PAYLOAD_BITS.includes(bits) : bits < 2)
      throw new HedgeError(
        "usage",
        `${file}: ${name === cut ? "the cut" : "a tensor"} "${name}" cannot have ${bits} bits.`,
        name === cut ? "Give it 1, 2, 4 or 8." : "Give it 2 to 16.",
      );
  }
}
