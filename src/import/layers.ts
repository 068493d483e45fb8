/** The standard ONNX operators of the edge part. Feature maps lose their batch dimension here. */
import { elementCount } from "../graph/graph.ts";
import type { ImportContext } from "./context.ts";
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, tensorAttribute } from "./onnx/attributes.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";

function requireValue(actual: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted))
    throw new Unsupported(
      `its ${what} is ${JSON.stringify(actual)}`,
      `Only ${JSON.stringify(wanted)} compiles so far.`,
    );
}

/** A list of `count` whole numbers of at least `least`. */
function sizes(onnx: OnnxNode, name: string, fallback: readonly number[], count: number, least: number): number[] {
  const values = intsAttribute(onnx, name, [...fallback]);
  if (values.length !== count || values.some((n) => n < least))
    throw new Unsupported(
      `its ${name} are [${values}]`,
      `Give ${count} numbers of at least ${least}: feature maps have two axes of pixels.`,
    );
  return values;
}

export function importConv(context: ImportContext, onnx: OnnxNode): void {
  const { dims } = context.constant(onnx, 1, "weight");
  if (dims.length !== 4)
    throw new Unsupported(`its weight has ${dims.length} dimensions`, "Only 2-D convolutions compile so far.");
  requireValue(intAttribute(onnx, "group", 1), 1, "group");
  requireValue(intsAttribute(onnx, "dilations", [1, 1]), [1, 1], "dilations");
  requireValue(stringAttribute(onnx, "auto_pad", "NOTSET"), "NOTSET", "auto_pad");
  requireValue(intsAttribute(onnx, "kernel_shape", dims.slice(2)), dims.slice(2), "kernel_shape");
  const inputs = [context.activation(onnx, 0), context.parameter(onnx, 1, "weight")];
  if (onnx.input[2]) inputs.push(context.parameter(onnx, 2, "bias"));
  context.node(onnx, "conv", inputs, {
    strides: sizes(onnx, "strides", [1, 1], 2, 1),
    pads: sizes(onnx, "pads", [0, 0, 0, 0], 4, 0),
    padValue: 0,
  });
}

export function importBatchNormalization(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intAttribute(onnx, "training_mode", 0), 0, "training_mode");
  const epsilon = floatAttribute(onnx, "epsilon", 1e-5);
  const roles = ["input", "scale", "bias", "mean", "variance"];
  for (const position of [1, 2, 3, 4])
    if (!context.constant(onnx, position, roles[position]!).data.every(Number.isFinite))
      throw new Unsupported(`its ${roles[position]} holds a value that is not finite`, "Train the model again.");
  if (!context.constant(onnx, 4, "variance").data.every((variance) => variance + epsilon > 0))
    throw new Unsupported("a variance plus epsilon is not positive", "Train the model again.");
  const parameters = [1, 2, 3, 4].map((position) => context.parameter(onnx, position, roles[position]!));
  context.node(onnx, "batchNorm", [context.activation(onnx, 0), ...parameters], { epsilon });
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
    const shapes = onnx.input.flatMap((name, position) =>
      context.constants.has(name) ? [] : [context.builder.tensor(context.activation(onnx, position)).shape],
    );
    const [shape, other] = shapes;
    if (!shape) throw new Unsupported("both of its inputs are constants", "Fold constant arithmetic before exporting.");
    if (other && other.join() !== shape.join())
      throw new Unsupported(`its inputs have the shapes [${shapes.join("] and [")}]`, "Give both the same shape.");
    const inputs = onnx.input.map((name) => {
      const constant = context.constants.get(name);
      if (!constant) return name;
      const { dims, data } = constant;
      // ONNX matches axes from the last: one value per channel is [C, 1, 1], whatever stands in front.
      const perChannel = dims.slice(-shape.length).join() === [shape[0]!, ...shape.slice(1).map(() => 1)].join();
      if (data.length !== 1 && !(perChannel && data.length === shape[0]))
        throw new Unsupported(
          `its constant has the shape [${dims}] for a map of [${shape}]`,
          "Use a single value or one value per channel, [1, C, 1, 1].",
        );
      return context.addConstant(name, [data.length], data);
    });
    context.node(onnx, op, inputs);
  };
}

export function importRelu(context: ImportContext, onnx: OnnxNode): void {
  context.node(onnx, "relu", [context.activation(onnx, 0)]);
}

export function importAveragePool(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intsAttribute(onnx, "pads", [0, 0, 0, 0]), [0, 0, 0, 0], "pads");
  requireValue(intsAttribute(onnx, "dilations", [1, 1]), [1, 1], "dilations");
  requireValue(intAttribute(onnx, "ceil_mode", 0), 0, "ceil_mode");
  requireValue(stringAttribute(onnx, "auto_pad", "NOTSET"), "NOTSET", "auto_pad");
  context.node(onnx, "averagePool", [context.activation(onnx, 0)], {
    kernel: sizes(onnx, "kernel_shape", [], 2, 1),
    strides: sizes(onnx, "strides", [1, 1], 2, 1),
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
  if (dims.length !== 2) throw new Unsupported(`its weight has the shape [${dims}]`, "Give it two dimensions.");
  const transposed = intAttribute(onnx, "transB", 0) !== 0;
  const weight = transposed
    ? context.parameter(onnx, 1, "weight")
    : context.addConstant(
        onnx.input[1]!,
        [columns, rows],
        Float64Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
      );
  const inputs = [context.activation(onnx, 0), weight];
  if (onnx.input[2]) {
    const bias = context.constant(onnx, 2, "bias").dims;
    if (bias.at(-1) !== elementCount(bias))
      throw new Unsupported(`its bias has the shape [${bias}]`, "Give one value per output.");
    inputs.push(context.parameter(onnx, 2, "bias", [elementCount(bias)]));
  }
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
  context.constants.set(onnx.output[0]!, readNumbers(tensor, context.file));
}
