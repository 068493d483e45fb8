/** QONNX's quantisers. On constants (weights) they are evaluated here and now. */

import type { Attributes } from "../graph/graph.ts";
import type { Operator } from "../graph/operator.ts";
import { bipolarQuant } from "../graph/operators/bipolar-quant.ts";
import { quant, ROUNDING } from "../graph/operators/quant.ts";
import { type ImportContext, Unsupported } from "./context.ts";
import { intAttribute, stringAttribute } from "./onnx/attributes.ts";
import type { OnnxNode } from "./onnx/types.ts";

function quantize(context: ImportContext, onnx: OnnxNode, operator: Operator, attributes: Attributes): void {
  const constant = context.constants.get(onnx.input[0]!);
  if (!constant) {
    context.node(onnx, operator.op, [context.activation(onnx, 0)], attributes);
    return;
  }
  const node = { name: onnx.name ?? "", op: operator.op, inputs: [], output: onnx.output[0]!, attributes };
  const data = operator.run(node, [{ shape: constant.dims, values: constant.data }], constant.dims);
  context.constants.set(onnx.output[0]!, { dims: constant.dims, data });
}

export function importQuant(context: ImportContext, onnx: OnnxNode): void {
  const rounding = stringAttribute(onnx, "rounding_mode", "ROUND").toUpperCase();
  if (!(rounding in ROUNDING))
    throw new Unsupported(`its rounding mode is ${rounding}`, `Use one of ${Object.keys(ROUNDING).join(", ")}.`);
  const bits = context.scalar(onnx, 3, "bit width");
  if (!Number.isInteger(bits) || bits < 1 || bits > 32)
    throw new Unsupported(`its bit width is ${bits}`, "Use 1 to 32 bits.");
  const scale = context.scalar(onnx, 1, "scale");
  if (!(scale > 0)) throw new Unsupported(`its scale is ${scale}`, "Use a positive scale.");
  quantize(context, onnx, quant, {
    scale,
    zero: context.scalar(onnx, 2, "zero point"),
    bits,
    signed: intAttribute(onnx, "signed", 1),
    narrow: intAttribute(onnx, "narrow", 0),
    rounding,
  });
}

export function importBipolarQuant(context: ImportContext, onnx: OnnxNode): void {
  const scale = context.scalar(onnx, 1, "scale");
  if (!(scale > 0)) throw new Unsupported(`its scale is ${scale}`, "Use a positive scale.");
  quantize(context, onnx, bipolarQuant, { scale });
}
