/**
 * The written rules of a graph; checked after import and after every pass.
 *  1. Every tensor has one producer: the input, a constant, or one node that comes before its readers.
 *  2. Shapes and grids are those that the operator infers.
 *  3. Integers on a grid stay below 2^24, so that float32 implementations agree.
 *  4. Every output is made.
 */
import { HedgeError } from "../errors.ts";
import type { Graph } from "./graph.ts";
import { EXACT_LIMIT } from "./grid.ts";
import { operatorOf } from "./operators/index.ts";

/** @throws Error naming the node and the rule that it breaks; a HedgeError for rule 3, which a model can break. */
export function verifyGraph(graph: Graph): Graph {
  const made = new Set<string>([graph.input]);
  for (const [name, tensor] of graph.tensors) if (tensor.values) made.add(name);
  for (const node of graph.nodes) {
    const where = `graph ${graph.name}, node "${node.name}" (${node.op})`;
    for (const input of node.inputs)
      if (!made.has(input)) throw new Error(`${where}: "${input}" is read before it is made`);
    if (made.has(node.output)) throw new Error(`${where}: "${node.output}" is made twice`);
    made.add(node.output);
    const operator = operatorOf(node.op);
    const inputs = node.inputs.map((name) => graph.tensors.get(name)!);
    const shape = operator.shape(node, inputs);
    const output = graph.tensors.get(node.output);
    if (!output || output.shape.join() !== shape.join())
      throw new Error(`${where}: the result is [${output?.shape}], inferred [${shape}]`);
    const grid = operator.grid(node, inputs);
    if (grid?.step !== output.grid?.step || grid?.min !== output.grid?.min || grid?.max !== output.grid?.max)
      throw new Error(`${where}: the result's grid differs from the inferred one`);
    if (grid && Math.max(grid.max, -grid.min) >= EXACT_LIMIT)
      throw new HedgeError(
        "input",
        `Node "${node.name}" (${node.op}): integers reach ${Math.max(grid.max, -grid.min)}, beyond what float32 holds exactly (2^24).`,
        "Quantise its inputs to fewer bits, or to coarser scales.",
      );
  }
  for (const output of graph.outputs)
    if (!made.has(output)) throw new Error(`graph ${graph.name}: output "${output}" is not made`);
  return graph;
}
