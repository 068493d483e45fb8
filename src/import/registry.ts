/** Every ONNX operator that compiles in an edge part, by domain and name: the coverage list. */
import type { ImportContext } from "./context.ts";
import {
  importAveragePool,
  importBatchNormalization,
  importBinary,
  importConstant,
  importConv,
  importFlatten,
  importGemm,
  importIdentity,
  importPad,
  importRelu,
} from "./layers.ts";
import { isStandardDomain } from "./onnx/attributes.ts";
import { QONNX_DOMAIN } from "./onnx/build.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { importBipolarQuant, importQuant } from "./quantizers.ts";

export type ImportFunction = (context: ImportContext, node: OnnxNode) => void;

export const STANDARD_OPERATORS: ReadonlyMap<string, ImportFunction> = new Map<string, ImportFunction>([
  ["Add", importBinary("add")],
  ["AveragePool", importAveragePool],
  ["BatchNormalization", importBatchNormalization],
  ["Constant", importConstant],
  ["Conv", importConv],
  ["Flatten", importFlatten],
  ["Gemm", importGemm],
  ["Identity", importIdentity],
  ["Mul", importBinary("mul")],
  ["Pad", importPad],
  ["Relu", importRelu],
  ["Sub", importBinary("sub")],
]);

export const QONNX_OPERATORS: ReadonlyMap<string, ImportFunction> = new Map<string, ImportFunction>([
  ["BipolarQuant", importBipolarQuant],
  ["IntQuant", importQuant],
  ["Quant", importQuant],
]);

export function importFunctionOf(node: OnnxNode): ImportFunction | undefined {
  const domain = isStandardDomain(node.domain)
    ? STANDARD_OPERATORS
    : node.domain === QONNX_DOMAIN
      ? QONNX_OPERATORS
      : undefined;
  return domain?.get(node.opType ?? "");
}
