/**
 * A compiled model against onnxruntime, layer by layer: what each layer of the module leaves in memory, and what the original model
 * computes for the tensor of that name.
 */
import type { Compilation } from "../bundle/compile.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { elementCount, tensorOf } from "../graph/graph.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { producersOf, withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { type Element, elementOf } from "../plan/element.ts";
import { RESULT_HEAD_BYTES } from "../plan/exit.ts";
import type { Layer } from "../plan/plan.ts";
import { unpackPayload } from "../wire/payload.ts";
import { type FloatTensor, OrtModel } from "./ort.ts";
import type { Report } from "./run-edge.ts";

/** Values that differ by less than this part of a step are the same level: float32 runtimes round a level's value. */
const SAME_LEVEL = 1 / 16;

export interface LayerComparison {
  readonly name: string;
  readonly kind: string;
  /** Values compared, over all samples. */
  readonly values: number;
  /** Values of another level than onnxruntime's. */
  readonly differing: number;
  /** The largest difference, in steps of the layer's grid. */
  readonly largest: number;
}

export interface Comparison {
  readonly samples: number;
  /** In the order in which the module runs them. */
  readonly layers: readonly LayerComparison[];
  /** Layers whose tensor the original model does not have: passes made them. */
  readonly withoutCounterpart: readonly string[];
  /** The first layer in which any value differs. */
  readonly firstDiverging: string | undefined;
}

/**
 * @param model the ONNX model that was compiled
 * @param file names it in errors
 * @param samples 8-bit integers in the order of the manifest's input
 * @throws HedgeError (input) when onnxruntime cannot run the model
 */
export async function compareLayers(
  compilation: Compilation,
  model: OnnxModel,
  file: string,
  samples: readonly Int8Array[],
  report: Report,
): Promise<Comparison> {
  const { plan, bundle } = compilation;
  const floats = floatTensors(model);
  const known = plan.layers.filter(({ name }) => floats.has(name));
  const unknown = plan.layers.filter(({ name }) => !floats.has(name));
  const names = [...new Set(known.map(({ name }) => name))];
  if (names.length === 0)
    throw new HedgeError(
      "input",
      `${file} has none of the tensors that its module computes.`,
      "Compare the model that was compiled; of one that was snapped, the snapped file (--write-snapped).",
    );
  const ort = await OrtModel.open(encodeModel(withOutputs(expandQuantizers(model, file), names, file)), file);
  const engine = openEngine(bundle, "wasm3");
  const tallies = new Map<Layer, Tally>(known.map((layer) => [layer, { values: 0, differing: 0, largest: 0 }]));
  try {
    // Every sample goes through all layers, those of the payload included.
    if (bundle.manifest.exit) engine.threshold = 0;
    for (const [index, sample] of samples.entries()) {
      const truth = await ort.run({ [bundle.manifest.input.name]: inputTensor(model, compilation, sample) }, names);
      forEachLayer(compilation, engine, sample, (layer) => {
        const tally = tallies.get(layer);
        if (tally) count(tally, layerValues(compilation, engine, layer), channelsFirst(truth.get(layer.name)!, layer));
      });
      report("compared sample", index + 1, samples.length);
    }
  } finally {
    engine.close();
    await ort.close();
  }
  const layers = known.map((layer) => ({ name: layer.name, kind: layer.kind, ...tallies.get(layer)! }));
  return {
    samples: samples.length,
    layers,
    withoutCounterpart: unknown.map(({ name }) => name),
    firstDiverging: layers.find(({ differing }) => differing > 0)?.name,
  };
}

/** Tensors of the model that nodes make as real values: what QuantizeLinear and its like make are integers. */
function floatTensors(model: OnnxModel): Set<string> {
  const producers = [...producersOf(model.graph)];
  return new Set(producers.flatMap(([name, { opType }]) => (INTEGER_RESULTS.has(opType ?? "") ? [] : [name])));
}

const INTEGER_RESULTS: ReadonlySet<string> = new Set(["QuantizeLinear", "ArgMax", "Shape", "Cast"]);

/** A sample as the original model takes it: real values, in the model's own shape, whose order the sample's bytes have. */
function inputTensor(model: OnnxModel, { bundle }: Compilation, sample: Int8Array): FloatTensor {
  const { name, pixelStep } = bundle.manifest.input;
  const declared = model.graph.input.find((input) => input.name === name)?.type?.tensorType?.shape?.dim ?? [];
  const dims = declared.map(({ dimValue }, axis) => (axis === 0 ? 1 : Number(dimValue ?? 1)));
  return { dims, data: Float32Array.from(sample, (level) => level * pixelStep) };
}

/** Runs a sample, and looks at each layer when its step is done. */
function forEachLayer({ plan }: Compilation, engine: Engine, sample: Int8Array, look: (layer: Layer) => void): void {
  engine.begin(sample);
  for (const layers of plan.steps) {
    const done = engine.step();
    for (const layer of layers) look(layer);
    if (done) return;
  }
}

/** A layer's output in levels: values divided by the grid's step, channel planes one after another. */
interface Levels {
  readonly levels: ArrayLike<number>;
  readonly step: number;
}

function layerValues({ plan, graph, bundle }: Compilation, engine: Engine, layer: Layer): Levels {
  if (layer.kind === "payload" || (layer.kind === "native" && layer.kernel === "pack_levels")) {
    const { bytes, shape, bits, scale, offset } = bundle.manifest.payload!;
    const values = unpackPayload({ shape, bits, scale, offset }, engine.peek(layer.output.address, bytes));
    return { levels: values.map((value) => value / scale), step: scale };
  }
  const elements = elementCount(layer.outputShape);
  if (layer.kind === "dense-exit" || layer.kind === "outputs") {
    const words = engine.peek(layer.output.address + RESULT_HEAD_BYTES, 4 * elements);
    return { levels: readIntegers(words, { bytes: 4, signed: true }), step: plan.output?.step ?? plan.logitStep! };
  }
  const grid = tensorOf(graph, layer.name).grid!;
  const element = elementOf(grid);
  const stored = readIntegers(engine.peek(layer.output.address, elements * element.bytes), element);
  if (layer.outputShape.length !== 3) return { levels: stored, step: grid.step };
  const [channels, pixels] = [layer.outputShape[0]!, elements / layer.outputShape[0]!];
  return { levels: stored.map((_, i) => stored[(i % pixels) * channels + Math.floor(i / pixels)]!), step: grid.step };
}

function readIntegers(bytes: Uint8Array, { bytes: width, signed }: Element): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const read = {
    1: (at: number) => (signed ? view.getInt8(at) : view.getUint8(at)),
    2: (at: number) => (signed ? view.getInt16(at, true) : view.getUint16(at, true)),
    4: (at: number) => (signed ? view.getInt32(at, true) : view.getUint32(at, true)),
  }[width];
  return Float64Array.from({ length: bytes.length / width }, (_, i) => read(i * width));
}

/** Values of onnxruntime with channel planes one after another, also where the model itself has channels innermost. */
function channelsFirst({ dims, data }: FloatTensor, { outputShape }: Layer): ArrayLike<number> {
  const [channels, ...pixels] = outputShape;
  const innermost =
    [...pixels, channels].join() === dims.slice(1).join() && outputShape.join() !== dims.slice(1).join();
  if (!innermost) return data;
  const count = data.length / channels!;
  return data.map((_, i) => data[(i % count) * channels! + Math.floor(i / count)]!);
}

interface Tally {
  values: number;
  differing: number;
  largest: number;
}

function count(tally: Tally, { levels, step }: Levels, truth: ArrayLike<number>): void {
  for (let i = 0; i < levels.length; i++) {
    const difference = Math.abs(levels[i]! - truth[i]! / step);
    tally.values++;
    if (!(difference < SAME_LEVEL)) tally.differing++;
    tally.largest = Math.max(tally.largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
}
