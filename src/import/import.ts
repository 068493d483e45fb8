/** ONNX/QONNX -> graph: the part of a hybrid model that runs on the device. */
import { HedgeError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { requireExact, verifyGraph } from "../graph/verify.ts";
import { describe, ImportContext } from "./context.ts";
import { edgeNodes } from "./edge-nodes.ts";
import { type HybridMetadata, readMetadata } from "./metadata.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxModel, OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";
import { importNode } from "./registry.ts";

export interface ImportedModel {
  readonly metadata: HybridMetadata;
  /** Input: the image, on the grid of its pixels; outputs: exit logits, then the cut. */
  readonly edge: Graph;
}

/** More are counted, not listed. */
const MAX_LISTED = 20;

interface Problem {
  readonly node: OnnxNode;
  readonly message: string;
  readonly remedy: string;
}

/**
 * Imports what the exit and the cut need; the cloud part stays ONNX.
 * @param file names the model in errors
 * @throws HedgeError that lists every node that does not compile, with the reason
 */
export function importEdge(model: OnnxModel, file: string): ImportedModel {
  const metadata = readMetadata(model, file);
  const { cut, exit, input } = metadata;
  const nodes = edgeNodes(model, [exit.logits, cut], file);
  const context = new ImportContext(file, metadata.name);
  readConstants(context, model, nodes);
  // Pixels are the bytes -128 ... 127.
  const pixels = { step: input.pixelStep, min: -128, max: 127 };
  context.builder.input(input.name, inputShape(model, input.name, file), pixels);

  const problems: Problem[] = [];
  /** Tensors that are missing because of a problem: what reads them is no problem of its own. */
  const missing = new Set<string>();
  for (const node of nodes) {
    try {
      importNode(context, node, missing);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      problems.push({ node, message: error.message, remedy: error.remedy });
    }
    for (const output of node.output)
      if (!context.builder.has(output) && !context.constants.has(output)) missing.add(output);
  }
  if (problems.length > 0) throw unsupported(file, problems);
  checkOutputs(context, metadata);
  return { metadata, edge: requireExact(verifyGraph(context.builder.build([exit.logits, cut]))) };
}

function readConstants(context: ImportContext, model: OnnxModel, nodes: readonly OnnxNode[]): void {
  const read = new Set(nodes.flatMap((node) => node.input));
  for (const tensor of model.graph.initializer)
    if (read.has(tensor.name ?? "")) context.constants.set(tensor.name ?? "", readNumbers(tensor, context.file));
}

function unsupported(file: string, problems: readonly Problem[]): HedgeError {
  const listed = problems.slice(0, MAX_LISTED);
  const list = listed.map(({ node, message, remedy }) => `  ${describe(node)}: ${message}. ${remedy}`);
  if (problems.length > MAX_LISTED) list.push(`  and ${problems.length - MAX_LISTED} more`);
  const plural = problems.length === 1 ? "One node does" : `${problems.length} nodes do`;
  return new HedgeError(
    "input",
    `${file}: ${plural} not compile for the device:\n${list.join("\n")}`,
    "Change them and export the model again, or move the cut (metadata hedge.cut) in front of them.",
  );
}

function inputShape(model: OnnxModel, name: string, file: string): number[] {
  const input = model.graph.input.find((candidate) => candidate.name === name);
  const dims = input?.type?.tensorType?.shape?.dim.slice(1).map((dim) => Number(dim.dimValue ?? 0));
  if (!dims)
    throw new HedgeError(
      "input",
      `${file}: the graph has no input "${name}" with a shape.`,
      "Correct hedge.input in its metadata.",
    );
  if (dims.length !== 3 || dims.some((n) => !Number.isSafeInteger(n) || n < 1 || n > 4096))
    throw new HedgeError(
      "input",
      `${file}: input "${name}" is [${["batch", ...dims.map((n) => n || "?")].join(", ")}], expected [batch, channels, height, width] with fixed sizes.`,
      "Export the model with a static image size.",
    );
  return dims;
}

function checkOutputs({ builder, file }: ImportContext, { exit, cut, classes }: HybridMetadata): void {
  for (const name of [exit.logits, cut])
    if (!builder.has(name) || builder.tensor(name).values)
      throw new HedgeError(
        "input",
        `${file}: "${name}" does not depend on the image.`,
        "Correct hedge.cut or hedge.exits.",
      );
  const { shape } = builder.tensor(exit.logits);
  if (shape.length !== 1 || shape[0] !== classes.length)
    throw new HedgeError(
      "input",
      `${file}: the exit's logits "${exit.logits}" have the shape [${shape}] for ${classes.length} classes.`,
      "Correct hedge.classes or hedge.exits in its metadata.",
    );
  const map = builder.tensor(cut).shape;
  if (map.length !== 3)
    throw new HedgeError(
      "input",
      `${file}: the cut "${cut}" has the shape [${map}], and a cut goes through a feature map [channels, height, width].`,
      "Correct hedge.cut in its metadata.",
    );
}
