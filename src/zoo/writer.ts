/** Collects the nodes and initialisers of a model under construction; every method returns the name of the tensor that it made. */
import { type AttributeValue, floats, int64s, node } from "../import/onnx/build.ts";
import type { OnnxNode, OnnxTensor } from "../import/onnx/types.ts";
import { randomFrom } from "./random.ts";

export class ModelWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly random: () => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** A random integer from `low` to `high`. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** A float32 initialiser, element by element from `of`. */
  constant(name: string, dims: readonly number[], of: () => number): string {
    const count = dims.reduce((product, dim) => product * dim, 1);
    this.initializers.push(floats(name, dims, Array.from({ length: count }, of)));
    return name;
  }

  /** An int64 initialiser: shapes, pads. */
  shape(name: string, values: readonly number[]): string {
    this.initializers.push(int64s(name, values));
    return name;
  }

  add(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Record<string, AttributeValue> = {},
  ): string {
    this.nodes.push(node(opType, inputs, [output], attributes));
    return output;
  }
}
