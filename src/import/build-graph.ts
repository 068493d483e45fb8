/** Nodes -> graph: every node's import function in turn, and all that does not compile in one error. */
import type { Problem } from "../diagnostics.ts";
import { HedgeError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { verifyGraph } from "../graph/verify.ts";
import { commonCode, problemLines } from "../problems.ts";
import { describe, ImportContext } from "./context.ts";
import type { ModelInput } from "./model-input.ts";
import { isStandardDomain } from "./onnx/attributes.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxModel, OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";
import { nameOutputs } from "./outputs.ts";
import { importNode } from "./registry.ts";

export interface GraphSource {
  readonly model: OnnxModel;
  readonly file: string;
  readonly name: string;
  /** In an order in which inputs come first. */
  readonly nodes: readonly OnnxNode[];
  readonly input: ModelInput;
  readonly outputs: readonly string[];
  /** Of the input, where it is known. */
  readonly grid?: Grid | undefined;
}

/** The orders of an image's axes: as the file declares them, or channels first where it declares them last. */
export type Layout = "declared" | "HWC";
/** From [batch, C, H, W] to [batch, H, W, C]. */
const CHANNELS_LAST = [0, 2, 3, 1];

/** @throws UnsupportedNodes that lists every node that does not compile, with the reason */
export function buildGraph(source: GraphSource, layout: Layout = "declared"): Graph {
  const context = contextOf(source);
  const { name, dims } = source.input;
  if (layout === "HWC")
    context.input(
      name,
      [0, 3, 1, 2].map((axis) => dims[axis]!),
      CHANNELS_LAST,
      source.grid,
    );
  else context.input(name, dims, [...dims.keys()], source.grid);

  const problems: Problem[] = [];
  /** Tensors that are missing because of a problem: what reads them is no problem of its own. */
  const missing = new Set<string>();
  for (const node of source.nodes) {
    const problem = attempt(context, node, missing);
    if (problem) problems.push(problem);
    if (problem || node.input.some((input) => missing.has(input)))
      for (const output of node.output) missing.add(output);
  }
  if (problems.length > 0) throw new UnsupportedNodes(source, problems, () => partialGraph(context, source, missing));
  return verifyGraph(nameOutputs(context, source.outputs, source.file));
}

function contextOf({ model, file, name, nodes, outputs }: GraphSource): ImportContext {
  const opset = Number(model.opsetImport.find(({ domain }) => isStandardDomain(domain))?.version ?? 1);
  const names = new Set(nodes.flatMap((node) => [...node.input, ...node.output]));
  const context = new ImportContext(name, { file, opset, outputs: new Set(outputs), names });
  for (const tensor of model.graph.initializer)
    if (names.has(tensor.name ?? "")) context.constants.set(tensor.name ?? "", readNumbers(tensor, file));
  return context;
}

function attempt(context: ImportContext, node: OnnxNode, missing: ReadonlySet<string>): Problem | undefined {
  try {
    importNode(context, node, missing);
    return undefined;
  } catch (error) {
    const known = error instanceof Unsupported || (error instanceof HedgeError && error.kind === "input");
    if (!known) throw error;
    const message = `${describe(node)}: ${error.message.replace(/\.$/, "")}.`;
    return { code: error.code ?? "H202", node: node.name || node.output[0], message, remedy: error.remedy };
  }
}

/** What lies in front of the nodes that do not compile; undefined where that is nothing. */
function partialGraph(context: ImportContext, { nodes, file }: GraphSource, missing: ReadonlySet<string>) {
  const given = context.builder.build([]).input;
  const isEnd = (name: string) => context.views.has(name) && context.views.get(name)!.tensor !== given;
  const ends = nodes.filter(({ output }) => output.some((name) => missing.has(name))).flatMap(({ input }) => input);
  const outputs = [...new Set(ends.filter(isEnd))];
  return outputs.length > 0 ? verifyGraph(nameOutputs(context, outputs, file)) : undefined;
}

/** Nodes that do not compile, all of them. */
export class UnsupportedNodes extends HedgeError {
  /** All nodes that were asked for. */
  readonly nodes: readonly OnnxNode[];

  constructor(
    { file, nodes }: GraphSource,
    problems: readonly Problem[],
    /** The graph in front of the nodes that do not compile, if there is one. */
    readonly partial: () => Graph | undefined,
  ) {
    const plural = problems.length === 1 ? "One node does" : `${problems.length} nodes do`;
    super(
      "input",
      `${file}: ${plural} not compile for the device:\n${problemLines(problems)}`,
      "Change them and export the model again, or move the cut (metadata hedge.cut) in front of them.",
      { code: commonCode(problems), problems },
    );
    this.nodes = nodes;
  }
}
