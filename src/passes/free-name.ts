/** Names for what passes add. */
import type { GraphBuilder } from "../graph/build.ts";
import type { Graph } from "../graph/graph.ts";

/** A name that no tensor has, neither of the graph that is rewritten nor of the one under construction. */
export function freeName(graph: Graph, builder: GraphBuilder, name: string): string {
  let free = name;
  while (graph.tensors.has(free) || builder.has(free)) free += "'";
  return free;
}
