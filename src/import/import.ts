/** ONNX/QONNX -> graph: the part of a hybrid model that runs on the device. */
import { HedgeError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { verifyGraph } from "../graph/verify.ts";
import { describe, ImportContext, Unsupported } from "./context.ts";
import { type HybridMetadata, readMetadata } from "./metadata.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxModel, OnnxNode } from "./onnx/types.ts";
import { importFunctionOf } from "./registry.ts";

export interface ImportedModel {
  readonly metadata: HybridMetadata;
  /** Input: the image; outputs: exit logits, then the cut. */
  readonly edge: Graph;
}

/**
 * Imports what the exit and the cut need; the cloud part stays ONNX.
 * @param file names the model in errors
 * @throws HedgeError that lists every node that does not compile, with the reason
 */
export function importEdge(model: OnnxModel, file: string): ImportedModel {
  const metadata = readMetadata(model, file);
  const context = new ImportContext(file, metadata.name);
  for (const tensor of model.graph.initializer) {
    const { dims, data } = readNumbers(tensor, file);
    context.constants.set(tensor.name ?? "", { dims, data });
  }
  context.builder.input(metadata.input.name, inputShape(model, metadata.input.name, file));

  const problems: { node: OnnxNode; message: string; remedy: string }[] = [];
  for (const node of edgeNodes(model, [metadata.exit.logits, metadata.cut], file)) {
    const importNode = importFunctionOf(node);
    if (!importNode) {
      problems.push({ node, message: "there is no such operator in the edge part", remedy: "" });
      continue;
    }
    // After the first failure, inputs are missing by consequence: only unknown operators are still worth reporting.
    if (problems.length > 0) continue;
    try {
      importNode(context, node);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      problems.push({ node, message: error.message, remedy: error.remedy });
    }
  }
  if (problems.length > 0) throw unsupported(file, problems);
  return { metadata, edge: verifyGraph(context.builder.build([metadata.exit.logits, metadata.cut])) };
}

function unsupported(file: string, problems: { node: OnnxNode; message: string; remedy: string }[]): HedgeError {
  const list = problems.map(({ node, message, remedy }) => `  ${describe(node)}: ${message}${remedy && `. ${remedy}`}`);
  const plural = problems.length === 1 ? "One node does" : `${problems.length} nodes do`;
  return new HedgeError(
    "input",
    `${file}: ${plural} not compile for the device:\n${list.join("\n")}`,
    "Replace them, or move the cut (metadata hedge.cut) in front of them.",
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
      `${file}: input "${name}" is [batch, ${dims.map((n) => n || "?")}], expected [batch, channels, height, width] with fixed sizes.`,
      "Export the model with a static image size.",
    );
  return dims;
}

/** The nodes that the outputs need, in an order in which inputs come first. */
function edgeNodes(model: OnnxModel, outputs: readonly string[], file: string): OnnxNode[] {
  const producers = new Map<string, OnnxNode>();
  for (const node of model.graph.node) for (const output of node.output) producers.set(output, node);
  for (const output of outputs)
    if (!producers.has(output))
      throw new HedgeError(
        "input",
        `${file}: no node makes the tensor "${output}" that the metadata names.`,
        "Correct hedge.cut or hedge.exits.",
      );
  const needed = new Set<OnnxNode>();
  const waiting = [...outputs];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = producers.get(name);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    waiting.push(...node.input);
  }
  return topological(
    [...model.graph.node].filter((node) => needed.has(node)),
    producers,
    file,
  );
}

/** ONNX demands this order of files, but not every exporter keeps it. */
function topological(nodes: OnnxNode[], producers: Map<string, OnnxNode>, file: string): OnnxNode[] {
  const done = new Set<OnnxNode>();
  const open = new Set<OnnxNode>();
  const order: OnnxNode[] = [];
  const visit = (node: OnnxNode): void => {
    if (done.has(node)) return;
    if (open.has(node))
      throw new HedgeError("input", `${file}: ${describe(node)} depends on itself.`, "Export the model again.");
    open.add(node);
    for (const input of node.input) {
      const producer = producers.get(input);
      if (producer) visit(producer);
    }
    done.add(node);
    order.push(node);
  };
  for (const node of nodes) visit(node);
  return order;
}
