/**
 * The wire format of ONNX (IR version 10) for protobufjs, one line per field: `name: [number, type]`.
 * Sub-messages that Hedge does not look into are declared as bytes, which keeps them whole.
 */
import protobuf from "protobufjs/light.js";

type FieldRow = readonly [id: number, type: string];
const MESSAGES: Record<string, Record<string, FieldRow>> = {
  StringStringEntryProto: { key: [1, "string"], value: [2, "string"] },
  OperatorSetIdProto: { domain: [1, "string"], version: [2, "int64"] },
  Segment: { begin: [1, "int64"], end: [2, "int64"] },
  TensorProto: {
    dims: [1, "int64*"],
    dataType: [2, "int32"],
    segment: [3, "Segment"],
    floatData: [4, "float+"],
    int32Data: [5, "int32+"],
    stringData: [6, "bytes*"],
    int64Data: [7, "int64+"],
    name: [8, "string"],
    rawData: [9, "bytes"],
    doubleData: [10, "double+"],
    uint64Data: [11, "uint64+"],
    docString: [12, "string"],
    externalData: [13, "StringStringEntryProto*"],
    dataLocation: [14, "int32"],
    metadataProps: [16, "StringStringEntryProto*"],
  },
  SparseTensorProto: { values: [1, "TensorProto"], indices: [2, "TensorProto"], dims: [3, "int64*"] },
  Dimension: { dimValue: [1, "int64"], dimParam: [2, "string"], denotation: [3, "string"] },
  TensorShapeProto: { dim: [1, "Dimension*"] },
  TensorTypeProto: { elemType: [1, "int32"], shape: [2, "TensorShapeProto"] },
  ElementTypeProto: { elemType: [1, "TypeProto"] },
  MapTypeProto: { keyType: [1, "int32"], valueType: [2, "TypeProto"] },
  TypeProto: {
    tensorType: [1, "TensorTypeProto"],
    sequenceType: [4, "ElementTypeProto"],
    mapType: [5, "MapTypeProto"],
    denotation: [6, "string"],
    opaqueType: [7, "bytes"],
    sparseTensorType: [8, "TensorTypeProto"],
    optionalType: [9, "ElementTypeProto"],
  },
  ValueInfoProto: {
    name: [1, "string"],
    type: [2, "TypeProto"],
    docString: [3, "string"],
    metadataProps: [4, "StringStringEntryProto*"],
  },
  AttributeProto: {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "int64"],
    s: [4, "bytes"],
    t: [5, "TensorProto"],
    g: [6, "GraphProto"],
    floats: [7, "float*"],
    ints: [8, "int64*"],
    strings: [9, "bytes*"],
    tensors: [10, "TensorProto*"],
    graphs: [11, "GraphProto*"],
    docString: [13, "string"],
    tp: [14, "TypeProto"],
    typeProtos: [15, "TypeProto*"],
    type: [20, "int32"],
    refAttrName: [21, "string"],
    sparseTensor: [22, "SparseTensorProto"],
    sparseTensors: [23, "SparseTensorProto*"],
  },
  NodeProto: {
    input: [1, "string*"],
    output: [2, "string*"],
    name: [3, "string"],
    opType: [4, "string"],
    attribute: [5, "AttributeProto*"],
    docString: [6, "string"],
    domain: [7, "string"],
    overload: [8, "string"],
    metadataProps: [9, "StringStringEntryProto*"],
    deviceConfigurations: [10, "bytes*"],
  },
  TensorAnnotation: { tensorName: [1, "string"], quantParameterTensorNames: [2, "StringStringEntryProto*"] },
  GraphProto: {
    node: [1, "NodeProto*"],
    name: [2, "string"],
    initializer: [5, "TensorProto*"],
    docString: [10, "string"],
    input: [11, "ValueInfoProto*"],
    output: [12, "ValueInfoProto*"],
    valueInfo: [13, "ValueInfoProto*"],
    quantizationAnnotation: [14, "TensorAnnotation*"],
    sparseInitializer: [15, "SparseTensorProto*"],
    metadataProps: [16, "StringStringEntryProto*"],
  },
  FunctionProto: {
    name: [1, "string"],
    input: [4, "string*"],
    output: [5, "string*"],
    attribute: [6, "string*"],
    node: [7, "NodeProto*"],
    docString: [8, "string"],
    opsetImport: [9, "OperatorSetIdProto*"],
    domain: [10, "string"],
    attributeProto: [11, "AttributeProto*"],
    valueInfo: [12, "ValueInfoProto*"],
    overload: [13, "string"],
    metadataProps: [14, "StringStringEntryProto*"],
  },
  ModelProto: {
    irVersion: [1, "int64"],
    producerName: [2, "string"],
    producerVersion: [3, "string"],
    domain: [4, "string"],
    modelVersion: [5, "int64"],
    docString: [6, "string"],
    graph: [7, "GraphProto"],
    opsetImport: [8, "OperatorSetIdProto*"],
    metadataProps: [14, "StringStringEntryProto*"],
    trainingInfo: [20, "bytes*"],
    functions: [25, "FunctionProto*"],
    configuration: [26, "bytes*"],
  },
};

/** `type*` is repeated, `type+` repeated and packed; a decoder accepts either form of either. */
function field([id, spec]: FieldRow): protobuf.IField {
  const last = spec.at(-1);
  if (last !== "*" && last !== "+") return { id, type: spec };
  return { id, type: spec.slice(0, -1), rule: "repeated", options: { packed: last === "+" } };
}

/** proto2, as ONNX is: a field that is there is told from one that is zero. */
const nested = Object.fromEntries(
  Object.entries(MESSAGES).map(([name, fields]) => [
    name,
    { edition: "proto2", fields: Object.fromEntries(Object.entries(fields).map(([key, row]) => [key, field(row)])) },
  ]),
);

export const MODEL_PROTO = protobuf.Root.fromJSON({ nested }).lookupType("ModelProto");
