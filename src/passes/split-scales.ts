/**
 * A quantiser with a scale for each channel puts no tensor on one grid. It is a division by the scales, a quantiser to whole numbers and a
 * multiplication by the scales: whole numbers are a grid, and what is in front and behind folds into the neighbours.
 */
import { type GraphBuilder, rewriteGraph } from "../graph/build.ts";
import { type Graph, type Node, perChannelOf } from "../graph/graph.ts";
import { freeName } from "./free-name.ts";

export function splitScales(graph: Graph): Graph {
  return rewriteGraph(graph, (node, builder) => {
    if ((node.op === "quant" || node.op === "bipolarQuant") && new Set(perChannelOf(node, "scale")).size > 1)
      split(graph, builder, node);
    else builder.copy(node, graph);
  });
}

function split(graph: Graph, builder: GraphBuilder, node: Node): void {
  const scales = perChannelOf(node, "scale");
  const name = (role: string): string => freeName(graph, builder, `${node.output}.${role}`);
  const constant = builder.constant(name("scales"), [scales.length], scales);
  const divided = builder.node("div", [node.inputs[0]!, constant], name("divided"));
  const whole = builder.node(node.op, [divided], name("whole"), { ...node.attributes, scale: 1 }, node.name);
  builder.node("mul", [whole, constant], node.output);
}
