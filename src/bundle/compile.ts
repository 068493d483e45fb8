/** The compiler from end to end: a hybrid model in QONNX -> a bundle. */
import { basename } from "node:path";
import { emitModule, moduleText } from "../emit/module.ts";
import { HedgeError } from "../errors.ts";
import { elementCount, type Graph } from "../graph/graph.ts";
import { graphText } from "../graph/text.ts";
import { importEdge } from "../import/import.ts";
import type { HybridMetadata } from "../import/metadata.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { type ModelFile, modelFile, readModelFile } from "../import/onnx/model-file.ts";
import { runPasses } from "../passes/index.ts";
import { splitCloud } from "../passes/onnx/extract.ts";
import type { Plan } from "../plan/plan.ts";
import { planModel } from "../plan/planner.ts";
import { planText } from "../plan/text.ts";
import { type Bundle, createBundle } from "./bundle.ts";
import type { LayerRow, ManifestDraft } from "./manifest.ts";

export const COMPILER = "hedge 0.1.0";
/** wasm3's value stack: `step` and one kernel, whose locals and constants stay below 128 slots of 8 bytes each. */
const STACK_BYTES = 2048;

/** A compilation with the stages in between, for those who look inside: tests, `hedge eval`, `hedge inspect`. */
export interface Compilation {
  readonly bundle: Bundle;
  readonly metadata: HybridMetadata;
  /** The edge part as imported, its batch norms and quantisers still in place. */
  readonly imported: Graph;
  /** The edge part after all passes: the reference that the module equals bit for bit. */
  readonly graph: Graph;
  readonly plan: Plan;
}

/** Stages that can be looked at: the graph as imported and behind each pass, the plan, the module. */
export type StageKind = "pass" | "plan" | "wat";

/** A stage of a compilation, as text for people. */
export interface Stage {
  readonly kind: StageKind;
  /** Unique among the stages of a compilation; fit for a file's name. */
  readonly name: string;
  readonly text: () => string;
}

export interface CompileOptions {
  /** Is shown every stage as soon as it is there, those of a compilation that fails later included. */
  readonly stage?: (stage: Stage) => void;
}

/**
 * @param bytes a QONNX file with hedge.* metadata
 * @param file its name, for errors and the manifest
 * @throws HedgeError naming the file and node for every model that does not compile
 */
export async function compileModel(
  bytes: Uint8Array,
  file: string,
  options: CompileOptions = {},
): Promise<Compilation> {
  return compileSource(modelFile(bytes, file), options);
}

/** Compiles a model file, with the data that it keeps in other files. @throws HedgeError as `compileModel` */
export async function compileFile(path: string, options: CompileOptions = {}): Promise<Compilation> {
  return compileSource(await readModelFile(path), options);
}

/** As `compileModel`, of a model that was read before. */
export async function compileSource(
  { model, file, sha256 }: ModelFile,
  { stage = () => undefined }: CompileOptions = {},
): Promise<Compilation> {
  let passes = 0;
  const showPass = (pass: string, graph: Graph): void =>
    stage({ kind: "pass", name: `pass-${String(passes++).padStart(2, "0")}-${pass}`, text: () => graphText(graph) });
  const { metadata, edge, graph, plan } = named(file, () => {
    const imported = importEdge(model, file);
    showPass("import", imported.edge);
    const lowered = runPasses(imported.edge, showPass);
    const plan = planModel(lowered);
    stage({ kind: "plan", name: "plan", text: () => planText(plan) });
    stage({ kind: "wat", name: "edge", text: () => moduleText(plan) });
    return { ...imported, graph: lowered, plan };
  });
  const cloud = splitCloud(model, metadata.cut, metadata.output, { file, shape: plan.payload!.shape });
  const parts = { edgeWasm: emitModule(plan), weights: plan.weights, cloudOnnx: encodeModel(cloud) };
  const source = { file: basename(file), sha256 };
  const bundle = await createBundle(manifestOf(plan, graph, metadata, source), parts);
  return { bundle, metadata, imported: edge, graph, plan };
}

/** Puts the file in front of errors that know only the node. */
function named<T>(file: string, stages: () => T): T {
  try {
    return stages();
  } catch (cause) {
    if (!(cause instanceof HedgeError) || cause.message.includes(file)) throw cause;
    const { kind, message, remedy, code, problems } = cause;
    throw new HedgeError(kind, `${file}: ${message}`, remedy, { cause, code, problems });
  }
}

function manifestOf(
  plan: Plan,
  graph: Graph,
  metadata: HybridMetadata,
  source: ManifestDraft["source"],
): ManifestDraft {
  const inputShape = graph.tensors.get(graph.input)!.shape;
  return {
    name: metadata.name,
    compiler: COMPILER,
    source,
    input: { ...metadata.input, shape: [...inputShape] },
    classes: [...metadata.classes],
    ...(plan.output ? { output: { ...plan.output, shape: [...plan.output.shape] } } : hybridMembers(plan, metadata)),
    module: {
      memoryBytes: plan.memoryBytes,
      stackBytes: STACK_BYTES,
      input: plan.input.address,
      inputBytes: elementCount(inputShape),
      threshold: plan.threshold,
      result: plan.result.address,
      payload: plan.payload?.address ?? 0,
      steps: plan.steps.length,
    },
    layers: layerRows(plan),
  };
}

function hybridMembers({ payload, logitStep }: Plan, { exit, cut, output }: HybridMetadata) {
  const { name, rule, threshold } = exit;
  const { shape, bits, bytes, scale, offset } = payload!;
  return {
    exit: { name, rule, threshold, logitStep: logitStep! },
    payload: { tensor: cut, shape: [...shape], bits, bytes, scale, offset },
    cloud: { input: cut, output },
  };
}

function layerRows(plan: Plan): LayerRow[] {
  return plan.steps.flatMap((layers) =>
    layers.map((layer, index) => ({
      name: layer.name,
      kind: layer.kind,
      outputShape: [...layer.outputShape],
      weightBits: layer.weightBits,
      activationBits: layer.activationBits,
      macs: layer.macs,
      weightBytes: layer.weights.bytes,
      activationBytes: layer.output.bytes,
      // Layers that share a step: the first one counts it.
      steps: index === 0 ? 1 : 0,
    })),
  );
}
