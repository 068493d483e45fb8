/**
 * The written rules of a graph; checked after import and after every pass.
 *  1. Every tensor has one producer: the input, a constant, or one node that comes before its readers.
 *  2. Shapes and grids are those that the operator infers.
 *  3. Every output is made.
 * And of hybrid models, whose cloud runs the same numbers in float32: integers on steps of powers of two stay below 2^24.
 */
import { HedgeError } from "../errors.ts";
import type { Graph } from "./graph.ts";
import { isExact, isPowerOfTwo, largestInteger } from "./grid.ts";
import { inferGrid } from "./operator.ts";
import { operatorOf } from "./operators/index.ts";

/** @throws Error naming the node and the rule that it breaks */
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
    const grid = inferGrid(operator, node, inputs);
    if (grid?.step !== output.grid?.step || grid?.min !== output.grid?.min || grid?.max !== output.grid?.max)
      throw new Error(`${where}: the result's grid differs from the inferred one`);
  }
  for (const output of graph.outputs)
    if (!made.has(output)) throw new Error(`graph ${graph.name}: output "${output}" is not made`);
  return graph;
}

/**
 * Integers beyond 2^24 on a step of a power of two, which float32 runtimes may compute otherwise.
 * @throws HedgeError (input) naming the first node that makes such integers
 */
export function requireExact(graph: Graph): Graph {
  for (const node of graph.nodes) {
    const grid = graph.tensors.get(node.output)?.grid;
    if (grid && isPowerOfTwo(grid.step) && !isExact(grid))
      throw new HedgeError(
        "input",
        `Node "${node.name}" (${node.op}): integers reach ${largestInteger(grid)}, beyond what float32 holds exactly (2^24).`,
        "Quantise its inputs to fewer bits, or to coarser scales.",
        { code: "H303" },
      );
  }
  return graph;
}
