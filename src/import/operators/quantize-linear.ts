/**
 * QuantizeLinear and DequantizeLinear. Together they are one quantiser of the graph: the first makes its node, and tells the second
 * what its integers stand for. On constants (weights, biases) they are evaluated.
 */
import type { Attributes } from "../../graph/graph.ts";
import { quant, quantRange } from "../../graph/operators/quant.ts";
import { broadcastIndices, type Constant, commonValue, floatConstant } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import type { Units, View } from "../layout.ts";
import { intAttribute } from "../onnx/attributes.ts";
import { checkScales } from "../onnx/quant-node.ts";
import type { DataTypeName } from "../onnx/tensor.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { type Parameters, quantize } from "./quantizers.ts";
import { axisOf, requireValue } from "./support.ts";

const BITS: Partial<Record<DataTypeName, { bits: number; signed: 0 | 1 }>> = {
  INT8: { bits: 8, signed: 1 },
  UINT8: { bits: 8, signed: 0 },
  INT16: { bits: 16, signed: 1 },
  UINT16: { bits: 16, signed: 0 },
};

/** The ranges of integers of 1 to 8 bits. */
const RANGES = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
  ([0, 1] as const).flatMap((signed) =>
    ([0, 1] as const).map((narrow) => ({ bits, signed, narrow, ...quantRange(bits, signed === 1, narrow === 1) })),
  ),
);

/** Scale and zero point, one per tensor or per element of an axis, in dimensions that broadcast to the input's. */
function parametersOf(
  context: ImportContext,
  onnx: OnnxNode,
  dims: readonly number[],
): Parameters & { type: DataTypeName } {
  requireValue(intAttribute(onnx, "block_size", 0), 0, "block_size");
  const scale = context.constant(onnx, 1, "scale");
  checkScales(scale.data);
  const zero = onnx.input[2]
    ? context.constant(onnx, 2, "zero point")
    : ({ ...floatConstant(scale.dims, new Float64Array(scale.data.length)), type: "UINT8" } as const);
  if (scale.data.length === 1 && zero.data.length === 1) return { scale, zero, type: zero.type };
  const axis = axisOf(intAttribute(onnx, "axis", 1), dims.length);
  const shape = dims.map((n, i) => (i === axis ? n : 1));
  if (scale.data.length !== dims[axis] || zero.data.length !== dims[axis])
    throw new Unsupported(
      `its scale has ${scale.data.length} values and its zero point ${zero.data.length} for axis ${axis} of [${dims}]`,
      "Give one per element of the axis.",
      "H204",
    );
  return { scale: { ...scale, dims: shape }, zero: { ...zero, dims: shape }, type: zero.type };
}

function unitsOf({ scale, zero }: Parameters): Units {
  return {
    scale: [commonValue(scale.data) ?? [...scale.data]].flat(),
    zero: [commonValue(zero.data) ?? [...zero.data]].flat(),
  };
}

export function importQuantizeLinear(context: ImportContext, onnx: OnnxNode): void {
  const constant = context.constants.get(onnx.input[0]!);
  const parameters = parametersOf(context, onnx, constant?.dims ?? context.activation(onnx, 0).dims);
  const range = BITS[parameters.type];
  if (!range) throw new Unsupported(`it quantises to ${parameters.type}`, "Quantise to int8 or uint8.", "H204");
  const order: Attributes = parameters.zero.data.every((value) => value === 0) ? {} : { zeroAfterRounding: 1 };
  const attributes = { ...range, narrow: 0, rounding: "ROUND", ...order };
  quantize(context, onnx, quant, parameters, attributes, unitsOf(parameters));
  const made = constant && context.constants.get(onnx.output[0]!)!;
  if (made) context.constants.set(onnx.output[0]!, integersOf(made, parameters));
}

/** What a quantised constant is stored as. */
function integersOf({ dims, data, steps }: Constant, { zero }: Parameters): Constant {
  const zeros = broadcastIndices(zero.dims, dims);
  const integers = data.map((value, i) => Math.round(value / steps![i]!) + zero.data[zeros[i]!]!);
  return { dims, data: integers, type: zero.type };
}

export function importDequantizeLinear(context: ImportContext, onnx: OnnxNode): void {
  const constant = context.constants.get(onnx.input[0]!);
  if (constant) {
    const { scale, zero } = parametersOf(context, onnx, constant.dims);
    const scales = broadcastIndices(scale.dims, constant.dims);
    const zeros = broadcastIndices(zero.dims, constant.dims);
    const steps = Float64Array.from(scales, (i) => scale.data[i]!);
    const data = constant.data.map((q, i) => (q - zero.data[zeros[i]!]!) * steps[i]!);
    context.constants.set(onnx.output[0]!, floatConstant(constant.dims, data, steps));
    return;
  }
  const { units, ...view } = context.view(onnx, 0);
  const own = unitsOf(parametersOf(context, onnx, view.dims));
  if (!units)
    throw new Unsupported("its input is no QuantizeLinear's output", "Put a QuantizeLinear in front of it.", "H204");
  if (JSON.stringify(units) !== JSON.stringify(own))
    throw new Unsupported("its scale or zero point is not its QuantizeLinear's", "Use the same in both.", "H204");
  context.views.set(onnx.output[0]!, view);
}

/** Clip between the two: a quantiser of fewer bits, as exporters write it that have no type for them. */
export function clipIntegers(context: ImportContext, onnx: OnnxNode, view: View, min: number, max: number): void {
  const made = context.quantized.get(view.tensor);
  const range = min < max ? RANGES.find(({ low, high }) => low === min && high === max) : undefined;
  if (!made || !range)
    throw new Unsupported(
      `it clips quantised integers to ${min} ... ${max}`,
      "Put it right behind a QuantizeLinear, with the range of a type of 1 to 8 bits.",
      "H204",
    );
  const { bits, signed, narrow } = range;
  context.emit(onnx, "quant", [made.source], { ...made.attributes, bits, signed, narrow }, view);
}
