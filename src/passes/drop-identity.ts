/**
 * Removes identities, and quantisers that change nothing: whose input has their step and stays within their range. Except where one gives
 * an output its name, or where a quantiser says of the model's input what it is: kernels read images through it.
 */
import { rewriteGraph } from "../graph/build.ts";
import { type Graph, type Node, tensorOf } from "../graph/graph.ts";
import { multipleOf } from "../graph/grid.ts";

export function dropIdentity(graph: Graph): Graph {
  const renamed = new Map<string, string>();
  const original = (name: string): string => renamed.get(name) ?? name;
  return rewriteGraph(graph, (node, builder) => {
    const inputs = node.inputs.map(original);
    const same = node.op === "identity" || changesNothing(graph, node);
    if (same && !graph.outputs.includes(node.output)) renamed.set(node.output, inputs[0]!);
    else builder.copy({ ...node, inputs }, graph);
  });
}

function changesNothing(graph: Graph, node: Node): boolean {
  if (node.op !== "quant") return false;
  const from = tensorOf(graph, node.inputs[0]!).grid;
  const to = tensorOf(graph, node.output).grid;
  const ofImage = node.inputs[0] === graph.input && node.attributes.zero === 0;
  const whole = Number.isInteger(node.attributes.zero);
  if (!from || !to || ofImage || !whole) return false;
  return multipleOf(from.step, to.step) === 1 && from.min >= to.min && from.max <= to.max;
}
