/**
 * A graph as an ONNX model: standard operators, and QONNX's quantisers. What is snapped is written with it, and what has to run on
 * onnxruntime. Tensors keep their names and get a batch dimension.
 */
import { type Graph, type Node, numberOf, numberOr, numbersOf, numbersOr, tensorOf } from "../../graph/graph.ts";
import { type AttributeValue, model, value } from "../../import/onnx/build.ts";
import type { OnnxModel } from "../../import/onnx/types.ts";
import { Unsupported } from "../../import/onnx/unsupported.ts";
import { GraphWriter, type QuantisedConstant, type SampleLayout } from "./graph-writer.ts";

export interface WriteOptions {
  readonly quantised?: ReadonlyMap<string, QuantisedConstant>;
  /** Tensors to give out; those of the graph where it is left out. */
  readonly outputs?: readonly string[];
  readonly sample?: SampleLayout;
}

/** @throws Unsupported for an operator that ONNX has no way to say */
export function writeGraph(graph: Graph, { quantised = new Map(), outputs, sample }: WriteOptions = {}): OnnxModel {
  const writer = new GraphWriter(graph, quantised, sample);
  for (const node of graph.nodes) {
    const write = WRITERS[node.op];
    if (!write)
      throw new Unsupported(`"${node.name}" (${node.op}) cannot be written as ONNX`, "Cut the model in front of it.");
    write(writer, node);
  }
  return model({
    name: graph.name,
    nodes: writer.nodes,
    initializers: writer.initializers,
    inputs: [value(graph.input, ["batch", ...writer.inputDims])],
    outputs: (outputs ?? graph.outputs).map((name) => value(name, ["batch", ...tensorOf(graph, name).shape])),
  });
}

type Write = (writer: GraphWriter, node: Node) => void;

const unary =
  (opType: string): Write =>
  (writer, { inputs, output }) =>
    writer.op(opType, inputs, output);

const arithmetic =
  (opType: string): Write =>
  (writer, { inputs, output }) => {
    const rank = tensorOf(writer.graph, output).shape.length;
    const operands = inputs.map((name) => writer.operand(name, rank));
    writer.op(opType, operands, output);
  };

const WRITERS: Readonly<Record<string, Write>> = {
  add: arithmetic("Add"),
  sub: arithmetic("Sub"),
  mul: arithmetic("Mul"),
  div: arithmetic("Div"),
  relu: unary("Relu"),
  sign: unary("Sign"),
  identity: unary("Identity"),
  clip: (writer, node) =>
    writer.op("Clip", [node.inputs[0]!, writer.scalar(node, "min"), writer.scalar(node, "max")], node.output),
  hardSigmoid: (writer, node) =>
    writer.op("HardSigmoid", node.inputs, node.output, {
      alpha: { float: numberOf(node, "alpha") },
      beta: { float: numberOf(node, "beta") },
    }),
  softmax: (writer, { inputs, output }) => writer.op("Softmax", inputs, output, { axis: { int: -1 } }),
  batchNorm: (writer, node) =>
    writer.op("BatchNormalization", writer.parameters(node.inputs), node.output, {
      epsilon: { float: numberOf(node, "epsilon") },
    }),
  conv: writeConv,
  gemm: (writer, { inputs, output }) => writer.op("Gemm", writer.parameters(inputs), output, { transB: { int: 1 } }),
  maxPool: (writer, node) =>
    writer.op("MaxPool", node.inputs, node.output, {
      ...window(node),
      dilations: ints(numbersOr(node, "dilations", [1, 1])),
    }),
  averagePool: (writer, node) =>
    writer.op("AveragePool", node.inputs, node.output, {
      ...window(node),
      count_include_pad: { int: numberOr(node, "countIncludePad", 0) },
    }),
  quant: writeQuant,
  bipolarQuant: (writer, node) =>
    writer.op("BipolarQuant", [node.inputs[0]!, writer.perChannel(node, "scale")], node.output),
  pad: (writer, node) =>
    writePad(writer, node.inputs[0]!, node.output, {
      pads: [0, ...numbersOf(node, "before"), 0, ...numbersOf(node, "after")],
      value: numberOf(node, "value"),
    }),
  concat: (writer, node) =>
    writer.op("Concat", node.inputs, node.output, { axis: { int: numberOf(node, "axis") + 1 } }),
  slice: writeSlice,
  transpose: (writer, node) =>
    writer.op("Transpose", node.inputs, node.output, {
      perm: ints([0, ...numbersOf(node, "perm").map((axis) => axis + 1)]),
    }),
  flatten: (writer, { inputs, output }) => writer.op("Flatten", inputs, output, { axis: { int: 1 } }),
  reshape: (writer, { inputs, output }) =>
    writer.op("Reshape", [...inputs, writer.batchShape(output, tensorOf(writer.graph, output).shape)], output),
};

function ints(values: readonly number[]): AttributeValue {
  return { ints: [...values] };
}

function window(node: Node): Record<string, AttributeValue> {
  return {
    kernel_shape: ints(numbersOf(node, "kernel")),
    strides: ints(numbersOf(node, "strides")),
    pads: ints(numbersOr(node, "pads", [0, 0, 0, 0])),
  };
}

/** ONNX pads with zeros: another value needs a Pad in front. */
function writeConv(writer: GraphWriter, node: Node): void {
  const pads = numbersOf(node, "pads");
  const padValue = numberOf(node, "padValue");
  const [x, ...parameters] = writer.parameters(node.inputs) as [string, ...string[]];
  const [top, left, bottom, right] = pads as [number, number, number, number];
  const padded = `${node.output}.padded`;
  if (padValue !== 0) writePad(writer, x, padded, { pads: [0, 0, top, left, 0, 0, bottom, right], value: padValue });
  writer.op("Conv", [padValue === 0 ? x : padded, ...parameters], node.output, {
    strides: ints(numbersOf(node, "strides")),
    dilations: ints(numbersOr(node, "dilations", [1, 1])),
    group: { int: numberOr(node, "group", 1) },
    pads: ints(padValue === 0 ? pads : [0, 0, 0, 0]),
  });
}

function writePad(
  writer: GraphWriter,
  x: string,
  output: string,
  { pads, value: fill }: { pads: readonly number[]; value: number },
): void {
  const inputs = [x, writer.int64s(`${output}.pads`, pads), writer.floats(`${output}.value`, [], [fill])];
  writer.op("Pad", inputs, output);
}

function writeQuant(writer: GraphWriter, node: Node): void {
  if (numberOr(node, "zeroAfterRounding", 0) === 1)
    throw new Unsupported(
      `"${node.name}" adds its zero point behind rounding, as QONNX does not`,
      "Write the model before it was quantised.",
    );
  const parameters = [writer.perChannel(node, "scale"), writer.perChannel(node, "zero"), writer.scalar(node, "bits")];
  writer.op("Quant", [node.inputs[0]!, ...parameters], node.output, {
    signed: { int: numberOf(node, "signed") },
    narrow: { int: numberOf(node, "narrow") },
    rounding_mode: { string: String(node.attributes.rounding) },
  });
}

function writeSlice(writer: GraphWriter, node: Node): void {
  const axes = numbersOf(node, "starts").map((_, axis) => axis + 1);
  const list = (key: string, values: readonly number[]) => writer.int64s(`${node.output}.${key}`, values);
  const bounds = (["starts", "ends"] as const).map((key) => list(key, numbersOf(node, key)));
  writer.op(
    "Slice",
    [node.inputs[0]!, ...bounds, list("axes", axes), list("steps", numbersOf(node, "steps"))],
    node.output,
  );
}
