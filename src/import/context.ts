/** What an operator's import function works with: the graph under construction, and constants folded as they are met. */
import { GraphBuilder } from "../graph/build.ts";
import type { Attributes } from "../graph/graph.ts";
import { ShapeError } from "../graph/operator.ts";
import { nodeTitle } from "./onnx/attributes.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";

export interface Constant {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export class ImportContext {
  readonly constants = new Map<string, Constant>();
  readonly builder: GraphBuilder;

  constructor(
    readonly file: string,
    graphName: string,
  ) {
    this.builder = new GraphBuilder(graphName);
  }

  /** Adds a graph node named as the ONNX node's first output. */
  node(onnx: OnnxNode, op: string, inputs: readonly string[], attributes: Attributes = {}): void {
    try {
      this.builder.node(op, inputs, onnx.output[0]!, attributes, onnx.name || onnx.output[0]!);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw new Unsupported(error.reason, "Correct the shapes in the model.");
    }
  }

  /** A constant input by position. */
  constant(onnx: OnnxNode, position: number, role: string): Constant {
    const constant = this.constants.get(onnx.input[position] ?? "");
    if (!constant) throw new Unsupported(`its ${role} is not a constant`, `Export the model with a constant ${role}.`);
    if (constant.data.length === 0) throw new Unsupported(`its ${role} is empty`, "Export the model again.");
    return constant;
  }

  /** A constant that holds one value. */
  scalar(onnx: OnnxNode, position: number, role: string): number {
    const { data } = this.constant(onnx, position, role);
    if (data.length !== 1)
      throw new Unsupported(`its ${role} has ${data.length} values`, `Use one ${role} for the whole tensor.`);
    return data[0]!;
  }

  /** Makes a constant of the graph out of an ONNX input; returns its name. */
  parameter(onnx: OnnxNode, position: number, role: string, shape?: readonly number[]): string {
    const { dims, data } = this.constant(onnx, position, role);
    return this.addConstant(onnx.input[position]!, shape ?? dims, data);
  }

  /** Adds a constant under this name or, where another node uses the name for another view of the same data, a longer one. */
  addConstant(name: string, shape: readonly number[], values: Float64Array): string {
    for (let free = name; ; free += "'") {
      const known = this.builder.has(free) ? this.builder.tensor(free) : undefined;
      if (known === undefined) return this.builder.constant(free, shape, values);
      const same = known.shape.join() === shape.join() && known.values?.every((v, i) => Object.is(v, values[i]));
      if (same) return free;
    }
  }

  /** The name of an input that is a feature map (not a constant). */
  activation(onnx: OnnxNode, position: number): string {
    const name = onnx.input[position] ?? "";
    if (this.constants.has(name))
      throw new Unsupported(`its input ${position} is a constant`, "Fold constant arithmetic before exporting.");
    if (!this.builder.has(name))
      throw new Unsupported(`nothing makes its input "${name}"`, "Give the model one input, the image.");
    return name;
  }
}

export function describe(node: OnnxNode): string {
  const domain = node.domain && node.domain !== "ai.onnx" ? `${node.domain}::` : "";
  return `${domain}${nodeTitle(node)}`;
}
