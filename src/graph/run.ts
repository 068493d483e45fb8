/** Runs a graph on the reference kernels: slow, readable, the definition of what every engine must compute. */
import { elementCount, type Graph, tensorOf } from "./graph.ts";
import { operatorOf } from "./operators/index.ts";

/**
 * @param input values of the graph's input, row-major
 * @returns values of every tensor that was computed, by name
 */
export function runGraph(graph: Graph, input: ArrayLike<number>): Map<string, Float64Array> {
  const shape = tensorOf(graph, graph.input).shape;
  if (input.length !== elementCount(shape))
    throw new Error(
      `graph ${graph.name}: input has ${input.length} values, expected ${elementCount(shape)} for [${shape}]`,
    );
  const values = new Map<string, Float64Array>([[graph.input, Float64Array.from(input)]]);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => {
      const tensor = tensorOf(graph, name);
      return { ...tensor, values: tensor.values ?? values.get(name)! };
    });
    values.set(node.output, operatorOf(node.op).run(node, inputs, tensorOf(graph, node.output).shape));
  }
  return values;
}
