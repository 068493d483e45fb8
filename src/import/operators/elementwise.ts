/** Functions of each value alone, and arithmetic of two tensors or of one and a constant. */
import { elementCount } from "../../graph/graph.ts";
import { isPowerOfTwo, rangeOn } from "../../graph/grid.ts";
import { broadcastDims, type Constant, checkFinite, commonValue } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import { inOrder, type View } from "../layout.ts";
import { floatAttribute, intAttribute } from "../onnx/attributes.ts";
import { DATA_TYPE, type OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { clipIntegers } from "./quantize-linear.ts";
import { elementwise, type ImportFunction, requireValue } from "./support.ts";

type Arithmetic = "add" | "sub" | "mul" | "div";

/** Of two tensors of one shape, or of one and a constant: a single value, one per channel, or one per element. */
export function importBinary(op: Arithmetic): ImportFunction {
  return (context, onnx) => {
    const [a, b] = onnx.input.map((name) => context.constants.get(name));
    if (a && b) throw new Unsupported("both of its inputs are constants", "Fold constant arithmetic before exporting.");
    if (a || b) withConstant(context, onnx, op, context.activation(onnx, a ? 1 : 0), (a ?? b)!);
    else ofTensors(context, onnx, op);
  };
}

function withConstant(context: ImportContext, onnx: OnnxNode, op: Arithmetic, given: View, constant: Constant): void {
  checkFinite(constant, "constant");
  const dims = broadcastDims(given.dims, constant.dims);
  if (elementCount(dims) !== elementCount(given.dims))
    throw new Unsupported(
      `its constant has the shape [${constant.dims}] for a tensor of [${given.dims}]`,
      "Use a single value, or one per channel.",
      "H203",
    );
  // Axes of one element in front, which the constant brings along.
  const view =
    dims.length === given.dims.length ? given : { ...(inOrder(given) ? given : context.settled(given)), dims };
  const first = context.constants.has(onnx.input[0]!);
  const operand = context.aligned(view, constant);
  const exact = op === "div" && !first && operand.data.every((value) => isPowerOfTwo(Math.abs(value)));
  const values = exact ? operand.data.map((value) => 1 / value) : operand.data;
  const step = exact || !operand.steps ? undefined : commonValue(operand.steps);
  const name = onnx.input[first ? 0 : 1]!;
  const grid = step === undefined ? undefined : rangeOn(values, step);
  const added = context.addConstant(exact ? `${name}.reciprocal` : name, operand.dims, values, grid);
  const { units: _, ...rest } = view;
  context.emit(onnx, exact ? "mul" : op, first ? [added, view.tensor] : [view.tensor, added], {}, rest);
}

function ofTensors(context: ImportContext, onnx: OnnxNode, op: Arithmetic): void {
  let a = context.activation(onnx, 0);
  let b = context.activation(onnx, 1);
  const dims = broadcastDims(a.dims, b.dims);
  const shapeOf = (view: View) => context.builder.tensor(view.tensor).shape.join();
  const alike =
    shapeOf(a) === shapeOf(b) &&
    [a.stored.join(), a.perm.join(), a.dims.join()].join(";") ===
      [b.stored.join(), b.perm.join(), b.dims.join()].join(";");
  if (!alike) {
    a = context.settled(a);
    b = context.settled(b);
  }
  const large = [a, b].find((view) => elementCount(view.dims) === elementCount(dims));
  if (!large || (dims.length > 2 && a.dims.length !== b.dims.length))
    throw new Unsupported(
      `its inputs have the shapes [${a.dims}] and [${b.dims}]`,
      "Give both the same shape.",
      "H203",
    );
  const small = large === a ? b : a;
  const channels = context.builder.tensor(large.tensor).shape[0]!;
  const perChannel =
    small.dims.length === dims.length && small.dims[1] === channels && elementCount(small.dims) === channels;
  if (elementCount(small.dims) !== elementCount(dims) && elementCount(small.dims) !== 1 && !perChannel)
    throw new Unsupported(
      `its inputs have the shapes [${a.dims}] and [${b.dims}]`,
      "Give both the same shape.",
      "H203",
    );
  context.emit(onnx, op, [a.tensor, b.tensor], {}, { ...large, dims });
}

/** Relu and Sign. */
export function importUnary(op: "relu" | "sign"): ImportFunction {
  return (context, onnx) => elementwise(context, onnx, op, context.activation(onnx, 0));
}

/** Bounds are attributes before operator set 11, inputs since. */
export function importClip(context: ImportContext, onnx: OnnxNode): void {
  const bound = (position: number, name: string, none: number) =>
    floatAttribute(onnx, name, undefined) ?? (onnx.input[position] ? context.scalar(onnx, position, name) : none);
  const min = bound(1, "min", Number.NEGATIVE_INFINITY);
  const max = bound(2, "max", Number.POSITIVE_INFINITY);
  if (Number.isNaN(min) || Number.isNaN(max))
    throw new Unsupported(`its bounds are ${min} and ${max}`, "Give it bounds that are numbers.");
  const view = context.view(onnx, 0);
  if (view.units) clipIntegers(context, onnx, view, min, max);
  else elementwise(context, onnx, "clip", view, { min, max });
}

export function importHardSigmoid(context: ImportContext, onnx: OnnxNode): void {
  const alpha = floatAttribute(onnx, "alpha", Math.fround(0.2));
  const beta = floatAttribute(onnx, "beta", 0.5);
  if (!Number.isFinite(alpha) || !Number.isFinite(beta))
    throw new Unsupported(`its alpha is ${alpha} and its beta ${beta}`, "Use finite numbers.");
  elementwise(context, onnx, "hardSigmoid", context.activation(onnx, 0), { alpha, beta });
}

/** Passes a value through under a new name: nothing is left of it in the graph. */
export function importIdentity(context: ImportContext, onnx: OnnxNode): void {
  context.views.set(onnx.output[0]!, context.view(onnx, 0));
}

/** The mask, its second output, is what nobody reads at inference. */
export function importDropout(context: ImportContext, onnx: OnnxNode): void {
  if (onnx.input[2]) requireValue(context.scalar(onnx, 2, "training mode"), 0, "training mode");
  importIdentity(context, onnx);
}

/** Types that hold every value of float32, and ranges of those that hold integers. */
const FLOATS: readonly number[] = [DATA_TYPE.FLOAT, DATA_TYPE.DOUBLE];
const INTEGERS = new Map<number, readonly [number, number]>([
  [DATA_TYPE.INT8, [-(2 ** 7), 2 ** 7 - 1]],
  [DATA_TYPE.UINT8, [0, 2 ** 8 - 1]],
  [DATA_TYPE.INT16, [-(2 ** 15), 2 ** 15 - 1]],
  [DATA_TYPE.UINT16, [0, 2 ** 16 - 1]],
  [DATA_TYPE.INT32, [-(2 ** 31), 2 ** 31 - 1]],
  [DATA_TYPE.UINT32, [0, 2 ** 32 - 1]],
  [DATA_TYPE.INT64, [-(2 ** 53), 2 ** 53]],
]);

/** Where every value that can occur is one of the new type. */
export function importCast(context: ImportContext, onnx: OnnxNode): void {
  const view = context.activation(onnx, 0);
  const to = intAttribute(onnx, "to", 0);
  const { grid } = context.builder.tensor(view.tensor);
  const range = INTEGERS.get(to);
  const fits =
    range &&
    grid &&
    Number.isInteger(grid.step) &&
    grid.min * grid.step >= range[0] &&
    grid.max * grid.step <= range[1];
  if (!FLOATS.includes(to) && !fits)
    throw new Unsupported("it casts to a type that does not hold every value", "Remove it, or put a Quant in front.");
  context.views.set(onnx.output[0]!, view);
}
