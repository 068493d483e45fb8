/** What the graph knows of an operator: its result's type, and a readable kernel that defines it. */
import type { Node, Tensor } from "./graph.ts";
import { type Grid, INTEGER_LIMIT, largestInteger } from "./grid.ts";

/** Where two correct implementations may differ. */
export type Exactness = "exact on grids" | "float";

/** What a kernel reads: values, and the grid on which they lie where their integers matter. */
export type KernelInput = Required<Pick<Tensor, "shape" | "values">> & Pick<Tensor, "grid">;

export interface Operator {
  readonly op: string;
  readonly exactness: Exactness;
  /** Shape of the result; throws an Error naming what does not fit. */
  shape(node: Node, inputs: readonly Tensor[]): readonly number[];
  /** Grid of the result from the inputs' grids; undefined when values leave every grid. */
  grid(node: Node, inputs: readonly Tensor[]): Grid | undefined;
  /** The reference kernel: plain loops in the order of the definition, values as doubles. */
  run(node: Node, inputs: readonly KernelInput[], outputShape: readonly number[]): Float64Array;
}

/** The grid that an operator infers; none when integers would not fit 32 bits. */
export function inferGrid(operator: Operator, node: Node, inputs: readonly Tensor[]): Grid | undefined {
  const grid = operator.grid(node, inputs);
  return grid && largestInteger(grid) < INTEGER_LIMIT ? grid : undefined;
}

export function fail(node: Node, message: string): never {
  throw new ShapeError(node, message);
}

/** A node whose inputs do not fit it. */
export class ShapeError extends Error {
  constructor(
    node: Node,
    /** The message without the node. */
    readonly reason: string,
  ) {
    super(`node "${node.name}" (${node.op}): ${reason}`);
  }
}
