/** Operators that treat each channel, or work across channels: BatchNormalization, Softmax, ArgMax. */
import { elementCount } from "../../graph/graph.ts";
import { checkFinite, floatConstant } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import { asStored, type View } from "../layout.ts";
import { floatAttribute, intAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { axisOf, requireValue, withChannels } from "./support.ts";

export function importBatchNormalization(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intAttribute(onnx, "training_mode", 0), 0, "training_mode");
  requireValue(intAttribute(onnx, "spatial", 1), 1, "spatial");
  const epsilon = floatAttribute(onnx, "epsilon", 1e-5);
  const given = context.activation(onnx, 0);
  const channels = given.dims[1];
  const roles = ["scale", "bias", "mean", "variance"];
  const parameters = roles.map((role, i) => {
    const constant = context.constant(onnx, i + 1, role);
    checkFinite(constant, role);
    if (constant.data.length !== channels)
      throw new Unsupported(
        `"${onnx.input[i + 1]}" has ${constant.data.length} values for ${channels} channels`,
        "Correct the shapes.",
        "H203",
      );
    return constant;
  });
  if (!parameters[3]!.data.every((variance) => variance + epsilon > 0))
    throw new Unsupported("a variance plus epsilon is not positive", "Train the model again.");
  const view = channelsLead(context, given) ? given : withChannels(context, given, 1);
  const names = parameters.map(({ data }, i) => context.addConstant(onnx.input[i + 1]!, [channels!], data));
  context.emit(onnx, "batchNorm", [view.tensor, ...names], { epsilon }, view);
}

/** Whether the first axis of the view's tensor is axis 1 of the file's, whatever has become of the others. */
function channelsLead(context: ImportContext, view: View): boolean {
  const channels = view.dims[1]!;
  const index = floatConstant(
    [channels, ...view.dims.slice(2).map(() => 1)],
    Float64Array.from({ length: channels }, (_, i) => i),
  );
  const { data } = context.aligned(view, index);
  return (
    data.length === channels &&
    context.builder.tensor(view.tensor).shape[0] === channels &&
    data.every((c, i) => c === i)
  );
}

/** Before operator set 13, all axes from `axis` on count as one. */
export function importSoftmax(context: ImportContext, onnx: OnnxNode): void {
  const view = alongChannels(context, onnx);
  context.emit(onnx, "softmax", [view.tensor], {}, view);
}

/** At the end of a model only, as Softmax: the order of the classes is the same, and its values are not given out. */
export function importLogSoftmax(context: ImportContext, onnx: OnnxNode): void {
  if (!context.options.outputs.has(onnx.output[0]!))
    throw new Unsupported("it is not the model's output", "Move it behind the model.");
  importSoftmax(context, onnx);
}

function alongChannels(context: ImportContext, onnx: OnnxNode): View {
  const view = context.activation(onnx, 0);
  const rank = view.dims.length;
  const grouped = context.options.opset < 13;
  const axis = axisOf(intAttribute(onnx, "axis", grouped ? 1 : -1), rank);
  const values = grouped ? elementCount(view.dims.slice(axis)) : view.dims[axis]!;
  if (values === elementCount(view.dims))
    return { ...asStored(context.shaped(context.settled(view).tensor, [values]), view.dims) };
  if (grouped && values !== view.dims[axis])
    throw new Unsupported(`it works along several axes of [${view.dims}]`, "Export operator set 13 or later.");
  return withChannels(context, view, axis);
}

export function importArgMax(context: ImportContext, onnx: OnnxNode): void {
  const given = context.activation(onnx, 0);
  requireValue(intAttribute(onnx, "select_last_index", 0), 0, "select_last_index");
  const axis = axisOf(intAttribute(onnx, "axis", 0), given.dims.length);
  const dims = given.dims.flatMap((n, i) => (i === axis ? (intAttribute(onnx, "keepdims", 1) ? [1] : []) : [n]));
  if (given.dims[axis] === elementCount(given.dims)) {
    const flat = context.shaped(context.settled(given).tensor, [given.dims[axis]!]);
    context.emit(onnx, "argMax", [flat], {}, asStored(flat, dims));
    return;
  }
  const view = withChannels(context, given, axis);
  const stored = view.stored.map((n, i) => (i === view.perm[axis] ? 1 : n));
  context.emit(onnx, "argMax", [view.tensor], {}, { ...view, stored, dims });
}
