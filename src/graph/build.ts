/** Building and rewriting graphs: types are inferred as nodes are added, so that a graph is well-formed by construction. */
import { type Attributes, elementCount, type Graph, type Node, type Tensor } from "./graph.ts";
import { type Grid, gridOfValues } from "./grid.ts";
import { fail, inferGrid } from "./operator.ts";
import { operatorOf } from "./operators/index.ts";

/** Elements of the largest tensor: far beyond any device, and small enough to reason about without running out of memory. */
const MAX_ELEMENTS = 1 << 24;

export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #tensors = new Map<string, Tensor>();
  #input = "";

  constructor(readonly name: string) {}

  input(name: string, shape: readonly number[], grid?: Grid): string {
    this.#input = name;
    this.#tensors.set(name, { name, shape, ...(grid && { grid }) });
    return name;
  }

  /** Adds a constant; its grid is found from its values, unless it is known. */
  constant(name: string, shape: readonly number[], values: ArrayLike<number>, grid = gridOfValues(values)): string {
    this.#tensors.set(name, { name, shape, values: Float64Array.from(values), ...(grid && { grid }) });
    return name;
  }

  /** Adds a node after checking its inputs; returns the name of its output. */
  node(op: string, inputs: readonly string[], output: string, attributes: Attributes = {}, name = output): string {
    const node: Node = { name, op, inputs, output, attributes };
    const operator = operatorOf(op);
    const types = inputs.map((input) => this.tensor(input));
    const shape = operator.shape(node, types);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 1) || elementCount(shape) > MAX_ELEMENTS)
      fail(node, `its result would have the shape [${shape}]`);
    const grid = inferGrid(operator, node, types);
    this.#tensors.set(output, { name: output, shape, ...(grid && { grid }) });
    this.#nodes.push(node);
    return output;
  }

  /** Copies a node of another graph as it is, constants included. */
  copy(node: Node, from: Graph): string {
    for (const input of node.inputs) this.copyConstant(input, from);
    return this.node(node.op, node.inputs, node.output, node.attributes, node.name);
  }

  copyConstant(name: string, from: Graph): void {
    const tensor = from.tensors.get(name);
    if (tensor?.values) this.#tensors.set(name, tensor);
  }

  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new Error(`graph ${this.name}: "${name}" is used before it is made`);
    return tensor;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** The finished graph, without nodes and constants that no output needs. */
  build(outputs: readonly string[]): Graph {
    const needed = new Set(outputs);
    const nodes = this.#nodes
      .toReversed()
      .filter((node) => {
        if (!needed.has(node.output)) return false;
        for (const input of node.inputs) needed.add(input);
        return true;
      })
      .reverse();
    needed.add(this.#input);
    const tensors = new Map([...this.#tensors].filter(([name]) => needed.has(name)));
    return { name: this.name, input: this.#input, outputs, nodes, tensors };
  }
}

/**
 * Rebuilds a graph through `rewrite`, which adds to the builder whatever stands for the node (nothing drops it).
 * @param changes another grid of the input, other outputs
 */
export function rewriteGraph(
  graph: Graph,
  rewrite: (node: Node, builder: GraphBuilder) => void,
  changes: { readonly inputGrid?: Grid; readonly outputs?: readonly string[] } = {},
): Graph {
  const builder = new GraphBuilder(graph.name);
  const input = graph.tensors.get(graph.input)!;
  builder.input(input.name, input.shape, changes.inputGrid ?? input.grid);
  for (const node of graph.nodes) rewrite(node, builder);
  return builder.build(changes.outputs ?? graph.outputs);
}
