/** The standard ONNX operators of the edge part. Feature maps lose their batch dimension here. */
import { type ImportContext, Unsupported } from "./context.ts";
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, tensorAttribute } from "./onnx/attributes.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxNode } from "./onnx/types.ts";

function requireValue(actual: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted))
    throw new Unsupported(
      `its ${what} is ${JSON.stringify(actual)}`,
      `Only ${JSON.stringify(wanted)} compiles so far.`,
    );
}

export function importConv(context: ImportContext, onnx: OnnxNode): void {
  const { dims } = context.constant(onnx, 1, "weight");
  if (dims.length !== 4)
    throw new Unsupported(`its weight has ${dims.length} dimensions`, "Only 2-D convolutions compile so far.");
  requireValue(intAttribute(onnx, "group", 1), 1, "group");
  requireValue(intsAttribute(onnx, "dilations", [1, 1]), [1, 1], "dilations");
  requireValue(stringAttribute(onnx, "auto_pad", "NOTSET"), "NOTSET", "auto_pad");
  const inputs = [context.activation(onnx, 0), context.parameter(onnx, 1, "weight")];
  if (onnx.input[2]) inputs.push(context.parameter(onnx, 2, "bias"));
  context.node(onnx, "conv", inputs, {
    strides: intsAttribute(onnx, "strides", [1, 1]),
    pads: intsAttribute(onnx, "pads", [0, 0, 0, 0]),
    padValue: 0,
  });
}

export function importBatchNormalization(context: ImportContext, onnx: OnnxNode): void {
  const roles = ["input", "scale", "bias", "mean", "variance"];
  const parameters = [1, 2, 3, 4].map((position) => context.parameter(onnx, position, roles[position]!));
  context.node(onnx, "batchNorm", [context.activation(onnx, 0), ...parameters], {
    epsilon: floatAttribute(onnx, "epsilon", 1e-5),
  });
}

export function importPad(context: ImportContext, onnx: OnnxNode): void {
  requireValue(stringAttribute(onnx, "mode", "constant"), "constant", "mode");
  const pads = [...context.constant(onnx, 1, "pads").data];
  const rank = pads.length / 2;
  const value = onnx.input[2] ? context.scalar(onnx, 2, "padding value") : 0;
  if (pads[0] !== 0 || pads[rank] !== 0)
    throw new Unsupported("it pads the batch dimension", "Pad channels or pixels only.");
  if (pads.some((n) => n < 0)) throw new Unsupported("it crops (negative pads)", "Use pads of zero or more.");
  context.node(onnx, "pad", [context.activation(onnx, 0)], {
    before: pads.slice(1, rank),
    after: pads.slice(rank + 1),
    value,
  });
}

/** Add, Sub and Mul of two feature maps, or of one and a constant that is a single value or one value per channel. */
export function importBinary(op: "add" | "sub" | "mul") {
  return (context: ImportContext, onnx: OnnxNode): void => {
    const inputs = onnx.input.map((name, position) => {
      const constant = context.constants.get(name);
      if (!constant) return context.activation(onnx, position);
      const { dims, data } = constant;
      const other = context.builder.tensor(context.activation(onnx, 1 - position)).shape;
      const trailing = other.slice(1).map(() => 1);
      const perSample = dims.length > other.length ? dims.slice(dims.length - other.length) : dims;
      const perChannel = [other[0]!, ...trailing].join() === perSample.join();
      if (data.length !== 1 && !perChannel)
        throw new Unsupported(
          `its constant has the shape [${dims}]`,
          "Use a single value or one value per channel, [1, C, 1, 1].",
        );
      return context.builder.constant(name, [data.length], data);
    });
    context.node(onnx, op, inputs);
  };
}

export function importRelu(context: ImportContext, onnx: OnnxNode): void {
  context.node(onnx, "relu", [context.activation(onnx, 0)]);
}

export function importAveragePool(context: ImportContext, onnx: OnnxNode): void {
  const kernel = intsAttribute(onnx, "kernel_shape", [] as number[]);
  requireValue(kernel.length, 2, "number of pooled dimensions");
  requireValue(intsAttribute(onnx, "pads", [0, 0, 0, 0]), [0, 0, 0, 0], "pads");
  requireValue(intAttribute(onnx, "ceil_mode", 0), 0, "ceil_mode");
  requireValue(stringAttribute(onnx, "auto_pad", "NOTSET"), "NOTSET", "auto_pad");
  context.node(onnx, "averagePool", [context.activation(onnx, 0)], {
    kernel,
    strides: intsAttribute(onnx, "strides", [1, 1]),
  });
}

export function importFlatten(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intAttribute(onnx, "axis", 1), 1, "axis");
  context.node(onnx, "flatten", [context.activation(onnx, 0)]);
}

export function importGemm(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intAttribute(onnx, "transA", 0), 0, "transA");
  requireValue(floatAttribute(onnx, "alpha", 1), 1, "alpha");
  requireValue(floatAttribute(onnx, "beta", 1), 1, "beta");
  const { dims, data } = context.constant(onnx, 1, "weight");
  const [rows, columns] = dims as [number, number];
  const name = onnx.input[1]!;
  if (intAttribute(onnx, "transB", 0) === 1) context.builder.constant(name, dims, data);
  else
    context.builder.constant(
      name,
      [columns, rows],
      Float64Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
    );
  const inputs = [context.activation(onnx, 0), name];
  if (onnx.input[2]) inputs.push(context.parameter(onnx, 2, "bias", [context.constant(onnx, 2, "bias").data.length]));
  context.node(onnx, "gemm", inputs);
}

/** Passes a value through under a new name: nothing is left of it in the graph. */
export function importIdentity(context: ImportContext, onnx: OnnxNode): void {
  const constant = context.constants.get(onnx.input[0]!);
  if (constant) context.constants.set(onnx.output[0]!, constant);
  else context.node(onnx, "identity", [context.activation(onnx, 0)]);
}

export function importConstant(context: ImportContext, onnx: OnnxNode): void {
  const tensor = tensorAttribute(onnx, "value");
  if (!tensor) throw new Unsupported("it holds no tensor", "Export constants as initialisers.");
  const { dims, data } = readNumbers(tensor, context.file);
  context.constants.set(onnx.output[0]!, { dims, data });
}
