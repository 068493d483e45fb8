/** ONNX/QONNX -> graph: the part of a model that runs on the device. */
import { HedgeError } from "../errors.ts";
import { GraphBuilder } from "../graph/build.ts";
import { consumersOf, type Graph, tensorOf } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { requireExact, verifyGraph } from "../graph/verify.ts";
import { buildGraph, type GraphSource } from "./build-graph.ts";
import { edgeNodes } from "./edge-nodes.ts";
import { type HybridMetadata, hasMetadata, printableName, readMetadata } from "./metadata.ts";
import { findInput, type ModelInput } from "./model-input.ts";
import type { OnnxModel, OnnxNode } from "./onnx/types.ts";
import type { ImportOptions } from "./options.ts";

export interface ImportedModel {
  /** What people call it. */
  readonly name: string;
  /** Absent from edge-only models, which have no exit, no cut and no cloud part. */
  readonly metadata?: HybridMetadata;
  /**
   * Input: the sample, on the grid of its pixels or of its quantiser; outputs: exit logits, then the cut, or the model's only output. A tensor
   * that bears a name of the file holds the same elements in the same order, whatever its shape; the input of layout HWC excepted.
   */
  readonly edge: Graph;
  /** The file's nodes behind it. */
  readonly nodes: readonly OnnxNode[];
  readonly input: ModelInput & {
    /** The graph takes channels first what the file declares channels last. */
    readonly layout?: "HWC";
  };
}

/**
 * Imports what runs on the device. Hybrid models say where to cut and exit in their metadata, or `options` say it; of others, all is imported.
 * @param file names the model in errors
 * @throws HedgeError (input) that lists every node that does not compile, with the reason
 */
export function importModel(model: OnnxModel, file: string, options: ImportOptions = {}): ImportedModel {
  if (hasMetadata(model)) return importHybrid(model, file, overridden(readMetadata(model, file), options, file));
  if (options.cut !== undefined || options.exits?.length) return importByOptions(model, file, options);
  const output = onlyOutput(model, file, []);
  return { name: nameOf(model, file), ...importPart(model, file, [output], { grid: gridOf(options) }) };
}

function importHybrid(model: OnnxModel, file: string, metadata: HybridMetadata) {
  const { cut, exit, input: image } = metadata;
  // Pixels are the bytes -128 ... 127.
  const pixels = { step: image.pixelStep, min: -128, max: 127 };
  const { edge, ...rest } = importPart(model, file, [exit.logits, cut], {
    name: metadata.name,
    image: image.name,
    grid: pixels,
  });
  checkHybrid(edge, metadata, file);
  return { name: metadata.name, metadata, edge: requireExact(edge), ...rest };
}

/** Where to cut and exit as the command line says it; classes are numbers, pixels what the input's quantiser makes of them. */
function importByOptions(model: OnnxModel, file: string, options: ImportOptions): ImportedModel {
  const { cut, exits = [] } = options;
  const [exit] = exits;
  if (cut === undefined || !exit || exits.length > 1)
    throw new HedgeError(
      "usage",
      `${file}: a model without hedge.* metadata takes one cut and one exit, or neither.`,
      "Give both --cut TENSOR and --exit TENSOR:entropy:THRESHOLD.",
    );
  const { edge, ...rest } = importPart(model, file, [exit.logits, cut], { grid: gridOf(options) });
  const { name } = rest.input;
  const grid = tensorOf(edge, edge.input).grid;
  if (!grid || grid.min < -128 || grid.max > 127)
    throw new HedgeError(
      "input",
      `${file}: its input "${name}" is not quantised to signed bytes.`,
      "Put a Quant of 8 signed bits behind it, say what its bytes are worth (--input 128:STEP), or calibrate it (--snap).",
      { code: "H110" },
    );
  const metadata: HybridMetadata = {
    name: nameOf(model, file),
    cut,
    output: onlyOutput(model, file, [exit.logits, cut]),
    exit: { name: "exit", ...exit },
    classes: Array.from({ length: tensorOf(edge, exit.logits).shape[0]! }, (_, i) => String(i)),
    input: { name, pixelZero: 128, pixelStep: grid.step },
  };
  checkHybrid(edge, metadata, file);
  return { name: metadata.name, metadata, edge: requireExact(edge), ...rest };
}

function overridden(metadata: HybridMetadata, { cut, exits }: ImportOptions, file: string): HybridMetadata {
  if (exits && exits.length > 1)
    throw new HedgeError("usage", `${file}: ${exits.length} exits are given.`, "Give one --exit.");
  return {
    ...metadata,
    ...(cut !== undefined && { cut }),
    ...(exits?.[0] && { exit: { ...metadata.exit, ...exits[0] } }),
  };
}

function gridOf({ input }: ImportOptions): Grid | undefined {
  return input && { step: input.step, min: -input.zero, max: 255 - input.zero };
}

/** The nodes between the input and these outputs. */
function importPart(
  model: OnnxModel,
  file: string,
  outputs: readonly string[],
  known: { readonly name?: string; readonly image?: string; readonly grid?: Grid | undefined } = {},
) {
  const nodes = edgeNodes(model, outputs, file);
  const input = findInput(model, file, known.image);
  const source: GraphSource = {
    model,
    file,
    name: known.name ?? nameOf(model, file),
    nodes,
    input,
    outputs,
    grid: known.grid,
  };
  const declared = buildGraph(source);
  const { edge, layout } = channelsFirst(source, declared);
  return {
    edge: known.grid ? edge : withInputGrid(edge),
    nodes,
    input: { ...input, ...(layout && { layout }) },
  };
}

/** An image with its channels last is taken channels first where that saves transposes. */
function channelsFirst(source: GraphSource, declared: Graph): { edge: Graph; layout?: "HWC" } {
  const transposes = ({ nodes }: Graph) => nodes.filter(({ op }) => op === "transpose").length;
  if (source.input.dims.length !== 4 || transposes(declared) === 0) return { edge: declared };
  const turned = buildGraph(source, "HWC");
  return transposes(turned) < transposes(declared) ? { edge: turned, layout: "HWC" } : { edge: declared };
}

/** The input on the grid of its quantiser, where all that reads it is one quantiser: the host's integers are those. */
export function withInputGrid(graph: Graph): Graph {
  const grids = consumersOf(graph, graph.input).map(({ op, output }) =>
    op === "quant" ? tensorOf(graph, output).grid : undefined,
  );
  const [grid] = grids;
  if (!grid || grids.some((other) => JSON.stringify(other) !== JSON.stringify(grid))) return graph;
  const builder = new GraphBuilder(graph.name);
  builder.input(graph.input, tensorOf(graph, graph.input).shape, grid);
  for (const node of graph.nodes) builder.copy(node, graph);
  return verifyGraph(builder.build(graph.outputs));
}

function nameOf(model: OnnxModel, file: string): string {
  const stem = file
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.onnx$/i, "");
  return printableName(model.graph.name) ?? printableName(stem) ?? "model";
}

/** The one output of the model beside these. */
function onlyOutput(model: OnnxModel, file: string, others: readonly string[]): string {
  const outputs = model.graph.output.map(({ name }) => name ?? "").filter((name) => !others.includes(name));
  if (outputs.length === 1 && outputs[0] !== "") return outputs[0]!;
  throw new HedgeError(
    "input",
    `${file}: the graph has ${outputs.length} outputs${others.length > 0 ? " beside its exit" : ""}.`,
    "Give the model one output, or a cut and an exit (--cut, --exit).",
    { code: "H108" },
  );
}

function checkHybrid(edge: Graph, { exit, cut, classes }: HybridMetadata, file: string): void {
  const { shape } = tensorOf(edge, exit.logits);
  if (shape.length !== 1 || shape[0] !== classes.length)
    throw new HedgeError(
      "input",
      `${file}: the exit's logits "${exit.logits}" have the shape [${shape}] for ${classes.length} classes.`,
      "Correct hedge.classes or hedge.exits in its metadata, or --exit.",
      { code: "H108" },
    );
  const map = tensorOf(edge, cut).shape;
  if (map.length !== 3)
    throw new HedgeError(
      "input",
      `${file}: the cut "${cut}" has the shape [${map}], and a cut goes through a feature map [channels, height, width].`,
      "Correct hedge.cut in its metadata, or --cut.",
      { code: "H108" },
    );
}
