/**
 * ONNX's protobuf messages as plain objects (IR version 10), camelCase, repeated fields always present.
 * Names follow onnx.proto so that its documentation applies.
 */

/** A protobuf int64: a number, or a bigint where a number would lose digits. */
export type Int64 = number | bigint;

export const DATA_TYPE = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

export const ATTRIBUTE_TYPE = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
} as const;

/** `TensorProto.data_location`: the data lies in another file. */
export const EXTERNAL = 1;

export interface OnnxEntry {
  key?: string;
  value?: string;
}

export interface OnnxTensor {
  dims: Int64[];
  dataType?: number;
  segment?: { begin?: Int64; end?: Int64 };
  floatData: number[];
  int32Data: number[];
  stringData: Uint8Array[];
  int64Data: Int64[];
  name?: string;
  docString?: string;
  rawData?: Uint8Array;
  doubleData: number[];
  uint64Data: Int64[];
  externalData: OnnxEntry[];
  dataLocation?: number;
  metadataProps: OnnxEntry[];
}

export interface OnnxSparseTensor {
  values?: OnnxTensor;
  indices?: OnnxTensor;
  dims: Int64[];
}

export interface OnnxAttribute {
  name?: string;
  refAttrName?: string;
  docString?: string;
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: OnnxTensor;
  g?: OnnxGraph;
  sparseTensor?: OnnxSparseTensor;
  tp?: OnnxType;
  floats: number[];
  ints: Int64[];
  strings: Uint8Array[];
  tensors: OnnxTensor[];
  graphs: OnnxGraph[];
  sparseTensors: OnnxSparseTensor[];
  typeProtos: OnnxType[];
}

export interface OnnxNode {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute: OnnxAttribute[];
  docString?: string;
  metadataProps: OnnxEntry[];
  /** Kept whole, not interpreted. */
  deviceConfigurations: Uint8Array[];
}

/** One axis: `dimValue` (a number of elements) or `dimParam` (a name, such as "batch"), or neither: unknown. */
export interface OnnxDimension {
  dimValue?: Int64;
  dimParam?: string;
  denotation?: string;
}

export interface OnnxTensorType {
  elemType?: number;
  shape?: { dim: OnnxDimension[] };
}

export interface OnnxType {
  tensorType?: OnnxTensorType;
  sequenceType?: { elemType?: OnnxType };
  mapType?: { keyType?: number; valueType?: OnnxType };
  optionalType?: { elemType?: OnnxType };
  sparseTensorType?: OnnxTensorType;
  /** Kept whole, not interpreted. */
  opaqueType?: Uint8Array;
  denotation?: string;
}

export interface OnnxValueInfo {
  name?: string;
  type?: OnnxType;
  docString?: string;
  metadataProps: OnnxEntry[];
}

export interface OnnxGraph {
  node: OnnxNode[];
  name?: string;
  initializer: OnnxTensor[];
  sparseInitializer: OnnxSparseTensor[];
  docString?: string;
  input: OnnxValueInfo[];
  output: OnnxValueInfo[];
  valueInfo: OnnxValueInfo[];
  quantizationAnnotation: { tensorName?: string; quantParameterTensorNames: OnnxEntry[] }[];
  metadataProps: OnnxEntry[];
}

export interface OnnxOpset {
  domain?: string;
  version?: Int64;
}

export interface OnnxFunction {
  name?: string;
  domain?: string;
  overload?: string;
  docString?: string;
  input: string[];
  output: string[];
  attribute: string[];
  attributeProto: OnnxAttribute[];
  node: OnnxNode[];
  opsetImport: OnnxOpset[];
  valueInfo: OnnxValueInfo[];
  metadataProps: OnnxEntry[];
}

/** A model as `decodeModel` returns it: the graph is there. */
export interface OnnxModel {
  irVersion?: Int64;
  opsetImport: OnnxOpset[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: Int64;
  docString?: string;
  graph: OnnxGraph;
  metadataProps: OnnxEntry[];
  /** Kept whole, not interpreted. */
  trainingInfo: Uint8Array[];
  functions: OnnxFunction[];
  /** Kept whole, not interpreted. */
  configuration: Uint8Array[];
}
