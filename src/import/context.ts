/** What an operator's import function works with: the graph under construction, and constants folded as they are met. */
import { HedgeError } from "../errors.ts";
import { GraphBuilder } from "../graph/build.ts";
import type { Attributes } from "../graph/graph.ts";
import { ShapeError } from "../graph/operator.ts";
import { nodeTitle } from "./onnx/attributes.ts";
import type { OnnxNode } from "./onnx/types.ts";

export interface Constant {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** Why a node cannot be imported; gathered, so that all are reported at once. */
export class Unsupported extends Error {
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
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
      throw new HedgeError(
        "input",
        `${this.file}: ${error.message}.`,
        "Correct the shapes in the model and export it again.",
      );
    }
  }

  /** A constant input by position. */
  constant(onnx: OnnxNode, position: number, role: string): Constant {
    const constant = this.constants.get(onnx.input[position] ?? "");
    if (!constant) throw new Unsupported(`its ${role} is not a constant`, `Export the model with a constant ${role}.`);
    return constant;
  }

  /** A constant that holds one value. */
  scalar(onnx: OnnxNode, position: number, role: string): number {
    const { data } = this.constant(onnx, position, role);
    if (data.length !== 1)
      throw new Unsupported(`its ${role} has ${data.length} values`, `Use one ${role} for the whole tensor.`);
    return data[0]!;
  }

  /** Makes a constant of the graph out of an ONNX input, under its ONNX name; returns the name. */
  parameter(onnx: OnnxNode, position: number, role: string, shape?: readonly number[]): string {
    const name = onnx.input[position]!;
    const { dims, data } = this.constant(onnx, position, role);
    return this.builder.constant(name, shape ?? dims, data);
  }

  /** The name of an input that is a feature map (not a constant). */
  activation(onnx: OnnxNode, position: number): string {
    const name = onnx.input[position] ?? "";
    if (!this.builder.has(name) || this.constants.has(name))
      throw new Unsupported(`its input ${position} is not a feature map`, "Fold constant arithmetic before exporting.");
    return name;
  }
}

export function describe(node: OnnxNode): string {
  const domain = node.domain && node.domain !== "ai.onnx" ? `${node.domain}::` : "";
  return `${domain}${nodeTitle(node)}`;
}
