/** Which nodes of a model make up its edge part, and in which order. */
import { HedgeError } from "../errors.ts";
import { describe } from "./context.ts";
import type { OnnxGraph, OnnxModel, OnnxNode } from "./onnx/types.ts";

/** A ResNet-110 has a tenth of it; orders are found by recursion. */
const MAX_NODES = 4096;

/**
 * The nodes that the outputs need, in an order in which inputs come first.
 * @throws HedgeError (input) when an output is made by no node, a tensor is made twice or by itself, or there are too many nodes
 */
export function edgeNodes(model: OnnxModel, outputs: readonly string[], file: string): OnnxNode[] {
  const producers = uniqueProducers(model.graph, file);
  for (const output of outputs)
    if (!producers.has(output))
      throw new HedgeError(
        "input",
        `${file}: no node makes the tensor "${output}".`,
        "Correct hedge.cut and hedge.exits in its metadata, or --cut and --exit.",
        { code: "H108" },
      );
  const needed = new Set<OnnxNode>();
  const waiting = [...outputs];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = producers.get(name);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    waiting.push(...node.input);
  }
  if (needed.size > MAX_NODES)
    throw new HedgeError(
      "input",
      `${file}: its edge part has ${needed.size} nodes, more than the ${MAX_NODES} that Hedge takes.`,
      "Cut the model earlier (metadata hedge.cut).",
      { code: "H209" },
    );
  return topological(
    model.graph.node.filter((node) => needed.has(node)),
    producers,
    file,
  );
}

/** The node behind each tensor. */
function uniqueProducers(graph: OnnxGraph, file: string): Map<string, OnnxNode> {
  const producers = new Map<string, OnnxNode>();
  const given = new Set([...graph.initializer, ...graph.input].map(({ name }) => name ?? ""));
  for (const node of graph.node)
    for (const output of node.output) {
      if (output === "") continue;
      // Plans name their own buffers with one, and terminals obey them.
      if (/\p{Cc}/u.test(output))
        throw new HedgeError(
          "input",
          `${file}: ${JSON.stringify(output)} is a tensor's name with a control character.`,
          "Give it another name.",
          { code: "H208" },
        );
      if (producers.has(output) || given.has(output))
        throw new HedgeError(
          "input",
          `${file}: ${describe(node)} makes the tensor "${output}", which is there already.`,
          "Give every tensor a name of its own.",
          { code: "H208" },
        );
      producers.set(output, node);
    }
  return producers;
}

/** ONNX demands this order of files, but not every exporter keeps it. */
function topological(nodes: OnnxNode[], producers: Map<string, OnnxNode>, file: string): OnnxNode[] {
  const done = new Set<OnnxNode>();
  const open = new Set<OnnxNode>();
  const order: OnnxNode[] = [];
  const visit = (node: OnnxNode): void => {
    if (done.has(node)) return;
    if (open.has(node))
      throw new HedgeError("input", `${file}: ${describe(node)} depends on itself.`, "Export the model again.", {
        code: "H207",
      });
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
