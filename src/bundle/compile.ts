/** The compiler from end to end: a model in ONNX or QONNX -> a bundle. */
import { basename } from "node:path";
import { emitModule, moduleText } from "../emit/module.ts";
import { HedgeError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { graphText } from "../graph/text.ts";
import { importModel } from "../import/import.ts";
import type { HybridMetadata } from "../import/metadata.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { type ModelFile, modelFile, readModelFile } from "../import/onnx/model-file.ts";
import type { ImportOptions } from "../import/options.ts";
import { runPasses } from "../passes/index.ts";
import type { Notes } from "../passes/notes.ts";
import { splitCloud } from "../passes/onnx/extract.ts";
import type { Plan } from "../plan/plan.ts";
import { type PlanOptions, planModel } from "../plan/planner.ts";
import { planText } from "../plan/text.ts";
import { valueStackBytes } from "../wasm3/value-stack.ts";
import { type Bundle, createBundle } from "./bundle.ts";
import { inputOf, manifestOf } from "./draft.ts";

/** A compilation with the stages in between, for those who look inside: tests, `hedge eval`, `hedge inspect`. */
export interface Compilation {
  readonly bundle: Bundle;
  /** Absent from edge-only models. */
  readonly metadata: HybridMetadata | undefined;
  /** The edge part as imported, its batch norms and quantisers still in place. */
  readonly imported: Graph;
  /** The edge part after all passes: the reference that the module equals bit for bit. */
  readonly graph: Graph;
  readonly plan: Plan;
  /** Where the lowered graph is not the model to the bit, and by how much. */
  readonly notes: Notes;
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

export interface CompileOptions extends ImportOptions, Pick<PlanOptions, "kernels" | "memoryLimit"> {
  /** Is shown every stage as soon as it is there, those of a compilation that fails later included. */
  readonly stage?: (stage: Stage) => void;
}

/**
 * @param bytes an ONNX or QONNX file; one with hedge.* metadata, or with a cut and an exit among the options, is a hybrid model
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
  { stage = () => undefined, ...options }: CompileOptions = {},
): Promise<Compilation> {
  let passes = 0;
  const showPass = (pass: string, graph: Graph): void =>
    stage({ kind: "pass", name: `pass-${String(passes++).padStart(2, "0")}-${pass}`, text: () => graphText(graph) });
  const notes: Notes = [];
  const { imported, graph, plan, edgeWasm, draft } = named(file, () => {
    const imported = importModel(model, file, options);
    showPass("import", imported.edge);
    const graph = runPasses(imported.edge, showPass, notes);
    const input = inputOf(imported, graph);
    const { kernels, memoryLimit } = options;
    const plan = planModel(graph, { inputLayout: imported.input.layout ?? "CHW", kernels, memoryLimit });
    stage({ kind: "plan", name: "plan", text: () => planText(plan) });
    stage({ kind: "wat", name: "edge", text: () => moduleText(plan) });
    const edgeWasm = emitModule(plan);
    const facts = { input, source: { file: basename(file), sha256 }, stackBytes: valueStackBytes(edgeWasm) };
    return { imported, graph, plan, edgeWasm, draft: manifestOf(imported, plan, facts) };
  });
  const { metadata, edge } = imported;
  const cloud = metadata && splitCloud(model, metadata.cut, metadata.output, { file, shape: plan.payload!.shape });
  const cloudOnnx = cloud && encodeModel(cloud);
  const bundle = await createBundle(draft, { edgeWasm, weights: plan.weights, cloudOnnx });
  return { bundle, metadata, imported: edge, graph, plan, notes };
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
