/** QONNX's quantisers. On constants (weights) they are evaluated here and now, and what they make keeps its integers. */
import type { Attributes } from "../../graph/graph.ts";
import type { Operator } from "../../graph/operator.ts";
import { bipolarQuant } from "../../graph/operators/bipolar-quant.ts";
import { quant } from "../../graph/operators/quant.ts";
import { trunc } from "../../graph/operators/trunc.ts";
import { broadcastIndices, type Constant, commonValue, floatConstant } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import type { View } from "../layout.ts";
import { checkScales, rangeOfNode, roundingOfNode, truncOfNode } from "../onnx/quant-node.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { elementwise, withChannels } from "./support.ts";

/** Scale and zero point as they broadcast to what is quantised. */
export interface Parameters {
  readonly scale: Constant;
  readonly zero: Constant;
}

export function importQuant(context: ImportContext, onnx: OnnxNode): void {
  const bits = context.scalar(onnx, 3, "bit width");
  const { signed, narrow, bipolar } = rangeOfNode(onnx, bits);
  const rounding = roundingOfNode(onnx);
  const scale = scaleOf(context, onnx);
  const zero = context.constant(onnx, 2, "zero point");
  for (const value of zero.data) {
    if (!Number.isFinite(value))
      throw new Unsupported(`its zero point is ${value}`, "Use a finite zero point.", "H204");
    if (bipolar && value !== 0)
      throw new Unsupported(`it has one signed bit and the zero point ${value}`, "Use a zero point of 0.", "H204");
  }
  if (bipolar) quantize(context, onnx, bipolarQuant, { scale, zero }, {});
  else quantize(context, onnx, quant, { scale, zero }, { bits, signed, narrow, rounding });
}

export function importBipolarQuant(context: ImportContext, onnx: OnnxNode): void {
  quantize(
    context,
    onnx,
    bipolarQuant,
    { scale: scaleOf(context, onnx), zero: floatConstant([], Float64Array.of(0)) },
    {},
  );
}

/** Drops low bits. */
export function importTrunc(context: ImportContext, onnx: OnnxNode): void {
  const parameters = truncOfNode(onnx, (position, role) => context.scalar(onnx, position, role));
  const attributes: Attributes = { ...parameters };
  const constant = context.constants.get(onnx.input[0]!);
  if (constant) {
    const { dims, data } = constant;
    const steps = new Float64Array(data.length).fill(parameters.outputScale);
    context.constants.set(onnx.output[0]!, floatConstant(dims, run(onnx, trunc, attributes, dims, data), steps));
    return;
  }
  elementwise(context, onnx, "trunc", context.activation(onnx, 0), attributes);
}

function scaleOf(context: ImportContext, onnx: OnnxNode): Constant {
  const scale = context.constant(onnx, 1, "scale");
  checkScales(scale.data);
  return scale;
}

function run(
  onnx: OnnxNode,
  { op, run: kernel }: Operator,
  attributes: Attributes,
  dims: readonly number[],
  data: Float64Array,
) {
  const node = { name: onnx.name ?? "", op, inputs: [], output: onnx.output[0]!, attributes };
  return kernel(node, [{ shape: dims, values: data }], dims);
}

/** A quantiser of a constant, evaluated, or of a view. */
export function quantize(
  context: ImportContext,
  onnx: OnnxNode,
  operator: Operator,
  parameters: Parameters,
  attributes: Attributes,
  units?: View["units"],
): void {
  const constant = context.constants.get(onnx.input[0]!);
  if (constant) {
    context.constants.set(onnx.output[0]!, quantizedConstant(onnx, operator, parameters, attributes, constant));
    return;
  }
  const given = context.activation(onnx, 0);
  const { view, scale, zero } = perChannel(context, given, parameters);
  const { units: _, ...rest } = view;
  const numbers: Attributes = operator === bipolarQuant ? { scale } : { scale, zero };
  const all = { ...attributes, ...numbers };
  context.emit(onnx, operator.op, [view.tensor], all, { ...rest, ...(units && { units }) });
  if (units)
    context.quantized.set(context.views.get(onnx.output[0]!)!.tensor, { source: view.tensor, attributes: all });
}

/** Each element with its own scale and zero point, as if it were a channel. */
function quantizedConstant(
  onnx: OnnxNode,
  operator: Operator,
  { scale, zero }: Parameters,
  attributes: Attributes,
  { dims, data }: Constant,
): Constant {
  const spread = ({ dims: own, data: values }: Constant) =>
    Float64Array.from(broadcastIndices(own, dims), (i) => values[i]!);
  const steps = spread(scale);
  const zeros = spread(zero);
  const values = run(
    onnx,
    operator,
    { ...attributes, scale: compact(steps), zero: compact(zeros) },
    [data.length],
    data,
  );
  // Behind a zero point that is a half lie odd multiples of half the scale; behind any other fraction no multiples at all.
  if (!zeros.every((z) => Number.isInteger(2 * z))) return floatConstant(dims, values);
  return floatConstant(
    dims,
    values,
    steps.map((step, i) => (Number.isInteger(zeros[i]!) ? step : step / 2)),
  );
}

function compact(values: Float64Array): number | number[] {
  return commonValue(values) ?? [...values];
}

/** Scale and zero point as attributes: one number, or one per channel of the view's tensor, whose channels lead then. */
function perChannel(context: ImportContext, given: View, { scale, zero }: Parameters) {
  const single = commonValue(scale.data) !== undefined && commonValue(zero.data) !== undefined;
  const leading = (view: View) => {
    const channels = context.builder.tensor(view.tensor).shape[0]!;
    const [s, z] = [scale, zero].map((constant) => context.aligned(view, constant).data);
    const fits = [s!, z!].every(({ length }) => length === 1 || length === channels);
    return fits ? { view, scale: compact(s!), zero: compact(z!) } : undefined;
  };
  const axis = [...scale.dims].reverse().findIndex((n) => n !== 1);
  const found =
    leading(given) ??
    (single || axis < 0 ? undefined : leading(withChannels(context, given, given.dims.length - 1 - axis)));
  if (!found)
    throw new Unsupported(
      `its scale has the shape [${scale.dims}] for a tensor of [${given.dims}]`,
      "Use one scale, or one per channel.",
      "H204",
    );
  return found;
}
