/** All that keeps a model from compiling, at once: each stage is gone through as far as the one before it came. */
import { inputOf } from "../bundle/draft.ts";
import type { Problem } from "../diagnostics.ts";
import type { HedgeError } from "../errors.ts";
import { type Graph, producerOf } from "../graph/graph.ts";
import { UnsupportedNodes } from "../import/build-graph.ts";
import { type ImportedModel, importModel, withInputGrid } from "../import/import.ts";
import type { ModelFile } from "../import/onnx/model-file.ts";
import type { OnnxNode } from "../import/onnx/types.ts";
import type { ImportOptions } from "../import/options.ts";
import { runPasses } from "../passes/index.ts";
import type { Notes } from "../passes/notes.ts";
import { splitCloud } from "../passes/onnx/extract.ts";
import { quantiserIn } from "../passes/snap.ts";
import type { Plan } from "../plan/plan.ts";
import { findRefusals, planModel } from "../plan/planner.ts";
import { problemOf } from "../plan/select.ts";
import { problemsOf, refusedInto } from "../problems.ts";

export interface Diagnosis {
  readonly file: string;
  /** In the order of the stages; none: the model compiles. */
  readonly problems: readonly Problem[];
  /** The model does not compile, but has no quantisers either: snapping puts it on integer grids. */
  readonly float: boolean;
  /** Where the module would not be the model to the bit. */
  readonly notes: readonly string[];
  /** Nodes of the edge part by ONNX operator, those that do not compile included. */
  readonly operators: Readonly<Record<string, number>>;
  /** Of a model that compiles: layers by kernel. */
  readonly layers: Readonly<Record<string, number>>;
  /** Of a model that compiles: layers with weights, by bits of weights and activations ("1W8A"). */
  readonly bits: Readonly<Record<string, number>>;
}

/** @throws nothing that is wrong with the model: that is in the result */
export function diagnose(source: ModelFile, options: ImportOptions = {}): Diagnosis {
  const notes: Notes = [];
  const refused: HedgeError[] = [];
  const attempt: Attempt = (stage) => refusedInto(refused, stage);
  const { nodes, imported, partial } = importWhatThereIs(source, options, attempt);
  const more = partial && attempt(() => refusalsIn(runPasses(withInputGrid(partial))));
  const plan = imported && attempt(() => planImported(imported, notes, attempt));
  if (imported?.metadata) attempt(() => checkCloud(source, imported, plan));
  const layers = plan?.layers ?? [];
  const problems = [...refused.flatMap(problemsOf), ...(more ?? [])];
  return {
    file: source.file,
    problems,
    float: problems.length > 0 && imported !== undefined && quantiserIn(imported.edge) === undefined,
    notes: notes.map(({ message }) => message),
    operators: countBy(nodes, ({ opType = "?" }) => opType),
    layers: countBy(layers, ({ kind }) => kind),
    bits: countBy(
      layers.filter(({ macs }) => macs > 0),
      ({ weightBits, activationBits }) => `${weightBits}W${activationBits}A`,
    ),
  };
}

type Attempt = <T>(stage: () => T) => T | undefined;

interface Found {
  readonly nodes: readonly OnnxNode[];
  readonly imported?: ImportedModel | undefined;
  /** What lies in front of the nodes that do not compile. */
  readonly partial?: Graph | undefined;
}

function importWhatThereIs({ model, file }: ModelFile, options: ImportOptions, attempt: Attempt): Found {
  let found: Found = { nodes: [] };
  attempt(() => {
    try {
      const imported = importModel(model, file, options);
      found = { imported, nodes: imported.nodes };
    } catch (error) {
      if (error instanceof UnsupportedNodes) found = { nodes: error.nodes, partial: error.partial() };
      throw error;
    }
  });
  return found;
}

function planImported(imported: ImportedModel, notes: Notes, attempt: Attempt): Plan {
  const graph = runPasses(imported.edge, undefined, notes);
  attempt(() => inputOf(imported, graph));
  return planModel(graph, { inputLayout: imported.input.layout ?? "CHW" });
}

function checkCloud({ model, file }: ModelFile, { metadata, edge }: ImportedModel, plan: Plan | undefined): void {
  const { cut, output } = metadata!;
  splitCloud(model, cut, output, { file, shape: plan?.payload?.shape ?? edge.tensors.get(cut)!.shape });
}

/** Layers without a kernel in front of the graph's outputs, which themselves need not be stored. */
function refusalsIn(graph: Graph): Problem[] {
  return findRefusals(graph, storedBehind(graph)).map(problemOf);
}

/** Operators whose results a device stores. */
const STORED: ReadonlySet<string> = new Set(["quant", "bipolarQuant", "requant", "threshold", "lut"]);

/** The nearest tensors that are stored, on every way back from the outputs. */
function storedBehind(graph: Graph): string[] {
  const stored = new Set<string>();
  const seen = new Set<string>();
  const waiting = [...graph.outputs];
  for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
    const node = producerOf(graph, tensor);
    if (!node || seen.has(tensor)) continue;
    seen.add(tensor);
    if (STORED.has(node.op)) stored.add(tensor);
    else waiting.push(...node.inputs);
  }
  return [...stored];
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
