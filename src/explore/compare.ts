/**
 * A compiled model against onnxruntime, layer by layer: what each layer of the module leaves in memory, and what the original model
 * computes for the tensor of that name.
 */
import type { Compilation } from "../bundle/compile.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { elementCount, tensorOf } from "../graph/graph.ts";
import { isExact } from "../graph/grid.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel, OnnxNode } from "../import/onnx/types.ts";
import { producersOf, withOutputs } from "../passes/onnx/dataflow.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { type Element, elementOf } from "../plan/element.ts";
import { RESULT_HEAD_BYTES } from "../plan/exit.ts";
import type { Layer } from "../plan/plan.ts";
import { unpackPayload } from "../wire/payload.ts";
import { unpackInput } from "./input-bytes.ts";
import { type FloatTensor, OrtModel } from "./ort.ts";
import type { Report } from "./run-edge.ts";

/** Values that differ by less than this part of a step are the same level: float32 runtimes round a level's value. */
const SAME_LEVEL = 1 / 16;
/** Of the largest value: what float32 sums of many products may be off by, where steps are finer than that. */
const FLOAT_ERROR = 2 ** -16;
/** Of a layer's values: so many may lie so close to the boundary of a level that float32 rounding decides it. */
const ROUNDED_SHARE = 0.02;

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
  /**
   * Whether that layer differs by one level in few values, of a model whose steps are no powers of two: there float32 rounding may decide
   * about a level, and what follows from it is no defect.
   */
  readonly byRounding: boolean;
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
  const real = realTensors(model);
  const known = plan.layers.filter(({ name }) => real.has(name));
  const unknown = plan.layers.filter(({ name }) => !real.has(name));
  const names = [...new Set(known.map(({ name }) => real.get(name)!))];
  if (names.length === 0)
    throw new HedgeError(
      "input",
      `${file} has none of the tensors that its module computes.`,
      "Compare the model that was compiled; of one that was snapped, the snapped file (--write-snapped).",
    );
  const truth = encodeModel(withOutputs(expandQuantizers(model, file), names, file));
  // Optimised, a quantiser that is fused with what stands in front of it moves values by a level.
  const ort = await OrtModel.open(truth, file, { optimization: "disabled" });
  const engine = openEngine(bundle, "wasm3");
  const tallies = new Map<Layer, Tally>(known.map((layer) => [layer, { values: 0, differing: 0, largest: 0 }]));
  try {
    // Every sample goes through all layers, those of the payload included.
    if (bundle.manifest.exit) engine.threshold = 0;
    for (const [index, sample] of samples.entries()) {
      const truth = await ort.run({ [bundle.manifest.input.name]: inputTensor(model, compilation, sample) }, names);
      forEachLayer(compilation, engine, sample, (layer) => {
        const tally = tallies.get(layer);
        if (tally)
          count(
            tally,
            layerValues(compilation, engine, layer),
            channelsFirst(truth.get(real.get(layer.name)!)!, layer),
          );
      });
      report("compared sample", index + 1, samples.length);
    }
  } finally {
    engine.close();
    await ort.close();
  }
  const layers = known.map((layer) => ({ name: layer.name, kind: layer.kind, ...tallies.get(layer)! }));
  const first = layers.find(({ differing }) => differing > 0);
  return {
    samples: samples.length,
    layers,
    withoutCounterpart: unknown.map(({ name }) => name),
    firstDiverging: first?.name,
    byRounding: first !== undefined && !isExactModel(compilation) && isRounding(first),
  };
}

/** Whether float32 runtimes compute the model to the bit. */
function isExactModel({ graph, notes }: Compilation): boolean {
  return notes.length === 0 && [...graph.tensors.values()].every(({ grid }) => !grid || isExact(grid));
}

function isRounding({ values, differing, largest }: LayerComparison): boolean {
  return largest < 1 + SAME_LEVEL && differing <= Math.max(1, ROUNDED_SHARE * values);
}

/** For each tensor of the model that nodes make: the one that holds its real values, itself unless it holds integers. */
function realTensors({ graph }: OnnxModel): Map<string, string> {
  const dequantised = new Map(
    graph.node.flatMap((node) =>
      node.opType === "DequantizeLinear" ? [[node.input[0]!, node.output[0]!] as const] : [],
    ),
  );
  const real = ([name, { opType }]: [string, OnnxNode]): [string, string][] => {
    if (opType === "QuantizeLinear") return dequantised.has(name) ? [[name, dequantised.get(name)!]] : [];
    return INTEGER_RESULTS.has(opType ?? "") ? [] : [[name, name]];
  };
  return new Map([...producersOf(graph)].flatMap(real));
}

const INTEGER_RESULTS: ReadonlySet<string> = new Set(["ArgMax", "Shape", "Cast"]);

/** A sample as the original model takes it: real values, in the model's own shape, whose order the sample's integers have. */
function inputTensor(model: OnnxModel, { bundle }: Compilation, sample: Int8Array): FloatTensor {
  const { input } = bundle.manifest;
  const declared = model.graph.input.find(({ name }) => name === input.name)?.type?.tensorType?.shape?.dim ?? [];
  const dims = declared.map(({ dimValue }, axis) => (axis === 0 ? 1 : Number(dimValue ?? 1)));
  return { dims, data: Float32Array.from(unpackInput(sample, input), (level) => level * input.pixelStep) };
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
    const { step, zero } = plan.output ?? { step: plan.logitStep!, zero: 0 };
    return { levels: readIntegers(words, { bytes: 4, signed: true }).map((n) => n - zero), step };
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
  let largest = 0;
  for (let i = 0; i < truth.length; i++) largest = Math.max(largest, Math.abs(truth[i]!));
  const tolerance = Math.max(SAME_LEVEL, (FLOAT_ERROR * largest) / step);
  for (let i = 0; i < levels.length; i++) {
    const difference = Math.abs(levels[i]! - truth[i]! / step);
    tally.values++;
    if (!(difference < tolerance)) tally.differing++;
    tally.largest = Math.max(tally.largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
}
