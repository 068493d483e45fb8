/** Writing ONNX models in code: what passes emit and what tests compile. */
import { writeTensor } from "./tensor.ts";
import {
  ATTRIBUTE_TYPE,
  DATA_TYPE,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from "./types.ts";

export const QONNX_DOMAIN = "qonnx.custom_op.general";

/** An attribute value: `{ int: 1 }`, `{ ints: [1, 1] }`, `{ float: 0.5 }`, `{ string: "ROUND" }`, ... */
export type AttributeValue =
  | { int: number | bigint }
  | { ints: readonly (number | bigint)[] }
  | { float: number }
  | { floats: readonly number[] }
  | { string: string }
  | { tensor: OnnxTensor };

export function attribute(name: string, value: AttributeValue): OnnxAttribute {
  const empty = { floats: [], ints: [], strings: [], tensors: [], graphs: [], sparseTensors: [], typeProtos: [] };
  if ("int" in value) return { ...empty, name, type: ATTRIBUTE_TYPE.INT, i: value.int };
  if ("ints" in value) return { ...empty, name, type: ATTRIBUTE_TYPE.INTS, ints: [...value.ints] };
  if ("float" in value) return { ...empty, name, type: ATTRIBUTE_TYPE.FLOAT, f: value.float };
  if ("floats" in value) return { ...empty, name, type: ATTRIBUTE_TYPE.FLOATS, floats: [...value.floats] };
  if ("string" in value) {
    return { ...empty, name, type: ATTRIBUTE_TYPE.STRING, s: new TextEncoder().encode(value.string) };
  }
  return { ...empty, name, type: ATTRIBUTE_TYPE.TENSOR, t: value.tensor };
}

/** A node; quantisers of QONNX (`Quant`, `IntQuant`, `BipolarQuant`, `Trunc`) get their domain by themselves. */
export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Record<string, AttributeValue> = {},
): OnnxNode {
  const custom = opType === "Quant" || opType === "IntQuant" || opType === "BipolarQuant" || opType === "Trunc";
  return {
    opType,
    domain: custom ? QONNX_DOMAIN : "",
    name: `${opType}:${outputs[0]}`,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    metadataProps: [],
    deviceConfigurations: [],
  };
}

/** A float32 initialiser. */
export function floats(name: string, dims: readonly number[], values: ArrayLike<number>): OnnxTensor {
  return writeTensor(name, "FLOAT", dims, Float32Array.from(values));
}

/** An int64 initialiser of one axis: shapes, pads. */
export function int64s(name: string, values: readonly number[]): OnnxTensor {
  return writeTensor(name, "INT64", [values.length], BigInt64Array.from(values.map(BigInt)));
}

/** A float32 input or output; a string among the dims is a symbolic axis such as "batch". */
export function value(name: string, dims: readonly (number | string)[]): OnnxValueInfo {
  const dim = dims.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType: DATA_TYPE.FLOAT, shape: { dim } } }, metadataProps: [] };
}

export interface ModelParts {
  readonly name?: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers?: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly metadata?: Record<string, string>;
}

/** A model of opset 13 and IR version 8, which imports QONNX's domain when one of its nodes needs it. */
export function model(parts: ModelParts): OnnxModel {
  const graph: OnnxGraph = {
    name: parts.name ?? "graph",
    node: [...parts.nodes],
    initializer: [...(parts.initializers ?? [])],
    input: [...parts.inputs],
    output: [...parts.outputs],
    sparseInitializer: [],
    valueInfo: [],
    quantizationAnnotation: [],
    metadataProps: [],
  };
  const qonnx = parts.nodes.some((n) => n.domain === QONNX_DOMAIN);
  return {
    irVersion: 8,
    producerName: "hedge",
    opsetImport: [{ domain: "", version: 13 }, ...(qonnx ? [{ domain: QONNX_DOMAIN, version: 1 }] : [])],
    graph,
    metadataProps: Object.entries(parts.metadata ?? {}).map(([key, val]) => ({ key, value: val })),
    trainingInfo: [],
    functions: [],
    configuration: [],
  };
}
