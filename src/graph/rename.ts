/** Renaming tensors of a graph. */
import type { Graph } from "./graph.ts";

/** The graph with other names for some of its tensors. */
export function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const of = (name: string) => names.get(name) ?? name;
  return {
    ...graph,
    input: of(graph.input),
    outputs: graph.outputs.map(of),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(of), output: of(node.output) })),
    tensors: new Map([...graph.tensors].map(([name, tensor]) => [of(name), { ...tensor, name: of(name) }])),
  };
}
