/** Removes identities, except where one gives an output its name. */
import { rewriteGraph } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";

export function dropIdentity(graph: Graph): Graph {
  const renamed = new Map<string, string>();
  const original = (name: string): string => renamed.get(name) ?? name;
  return rewriteGraph(graph, (node, builder) => {
    const inputs = node.inputs.map(original);
    if (node.op === "identity" && !graph.outputs.includes(node.output)) renamed.set(node.output, inputs[0]!);
    else builder.copy({ ...node, inputs }, graph);
  });
}
