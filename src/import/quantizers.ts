/** QONNX's quantisers. On constants (weights) they are evaluated here and now. */

import type { Attributes } from "../graph/graph.ts";
import type { Operator } from "../graph/operator.ts";
import { bipolarQuant } from "../graph/operators/bipolar-quant.ts";
import { quant } from "../graph/operators/quant.ts";
import type { ImportContext } from "./context.ts";
import { checkScales, rangeOfNode, roundingOfNode } from "./onnx/quant-node.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";

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
  const bits = context.scalar(onnx, 3, "bit width");
  const { signed, narrow, bipolar } = rangeOfNode(onnx, bits);
  const rounding = roundingOfNode(onnx);
  const zero = context.scalar(onnx, 2, "zero point");
  if (!Number.isFinite(zero)) throw new Unsupported(`its zero point is ${zero}`, "Use a finite zero point.");
  if (bipolar && zero !== 0)
    throw new Unsupported(`it has one signed bit and the zero point ${zero}`, "Use a zero point of 0.");
  if (bipolar) quantize(context, onnx, bipolarQuant, { scale: scaleOf(context, onnx) });
  else quantize(context, onnx, quant, { scale: scaleOf(context, onnx), zero, bits, signed, narrow, rounding });
}

export function importBipolarQuant(context: ImportContext, onnx: OnnxNode): void {
  quantize(context, onnx, bipolarQuant, { scale: scaleOf(context, onnx) });
}

function scaleOf(context: ImportContext, onnx: OnnxNode): number {
  const scale = context.scalar(onnx, 1, "scale");
  checkScales([scale]);
  return scale;
}
