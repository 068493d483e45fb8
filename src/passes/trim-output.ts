/**
 * Drops what only presents a classifier's answer: of one whose last node is a softmax or an argmax of a vector, the logits are the output.
 * The label is the same, and whoever wants probabilities takes them from the logits.
 */
import { rewriteGraph } from "../graph/build.ts";
import { type Graph, producerOf, tensorOf } from "../graph/graph.ts";

export function trimOutput(graph: Graph): Graph {
  const [output] = graph.outputs;
  const last = output !== undefined && graph.outputs.length === 1 ? producerOf(graph, output) : undefined;
  if (!last || (last.op !== "softmax" && last.op !== "argMax")) return graph;
  const logits = last.inputs[0]!;
  if (tensorOf(graph, logits).shape.length !== 1 || logits === graph.input) return graph;
  return rewriteGraph(graph, (node, builder) => void builder.copy(node, graph), { outputs: [logits] });
}
