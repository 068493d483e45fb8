/**
 * An input of which the file does not say what its integers are worth, but which is normalised and quantised: a sample's byte is worth what
 * one level of the first quantiser is worth before the normalisation, where that is finest.
 */
import { rewriteGraph } from "../graph/build.ts";
import { type Graph, type Node, tensorOf } from "../graph/graph.ts";
import { isQuantiser } from "./levels.ts";
import type { Notes } from "./notes.ts";
import { evaluatePointwise, type Pointwise, pointwiseOf } from "./pointwise.ts";

/** Hosts write signed bytes. */
const BYTES = { min: -128, max: 127 };

export function groundInput(graph: Graph, notes: Notes = []): Graph {
  const input = tensorOf(graph, graph.input);
  if (input.grid) return graph;
  const steps = graph.nodes.map((node) => inputStep(graph, node)).filter((step) => step !== undefined);
  if (steps.length === 0) return graph;
  const step = Math.min(...steps);
  notes.push({
    pass: "ground-input",
    node: graph.input,
    message: `The file does not say how "${graph.input}" is stored: signed bytes are taken, each worth ${step}.`,
  });
  return rewriteGraph(graph, (node, builder) => void builder.copy(node, graph), { inputGrid: { step, ...BYTES } });
}

/** What a level of a quantiser of the input is worth in the input, where that is finest. */
function inputStep(graph: Graph, node: Node): number | undefined {
  if (!isQuantiser(node)) return undefined;
  const chain = pointwiseOf(graph, node.inputs[0]!);
  const { grid } = tensorOf(graph, node.output);
  const slope = chain.source.name === graph.input ? steepestSlope(graph, chain) : 0;
  return grid && slope > 0 ? grid.step / slope : undefined;
}

function steepestSlope(graph: Graph, chain: Pointwise): number {
  const channels = chain.uniform ? 1 : chain.source.shape[0]!;
  const ends = Float64Array.from({ length: 2 * channels }, (_, i) => i % 2);
  const values = evaluatePointwise(graph, chain, ends, channels);
  return Math.max(...Array.from({ length: channels }, (_, c) => Math.abs(values[2 * c + 1]! - values[2 * c]!)));
}
