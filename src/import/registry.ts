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
import { isQonnx } from "./onnx/quant-node.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";
import { importBipolarQuant, importQuant } from "./quantizers.ts";

export interface ImportRule {
  /** Fewest and most inputs. */
  readonly inputs: readonly [number, number];
  /** Attributes that the function looks at, or that do not matter at inference. A node with another one means what is not known here. */
  readonly attributes: readonly string[];
  readonly run: (context: ImportContext, node: OnnxNode) => void;
}

const rule = (
  run: ImportRule["run"],
  fewest: number,
  most: number,
  attributes: readonly string[] = [],
): ImportRule => ({ inputs: [fewest, most], attributes, run });

const WINDOW = ["auto_pad", "dilations", "kernel_shape", "pads", "strides"];
const QUANT = ["narrow", "rounding_mode", "signed"];

export const STANDARD_OPERATORS: ReadonlyMap<string, ImportRule> = new Map([
  ["Add", rule(importBinary("add"), 2, 2)],
  ["AveragePool", rule(importAveragePool, 1, 1, [...WINDOW, "ceil_mode", "count_include_pad"])],
  ["BatchNormalization", rule(importBatchNormalization, 5, 5, ["epsilon", "momentum", "training_mode"])],
  ["Constant", rule(importConstant, 0, 0, ["value"])],
  ["Conv", rule(importConv, 2, 3, [...WINDOW, "group"])],
  ["Flatten", rule(importFlatten, 1, 1, ["axis"])],
  ["Gemm", rule(importGemm, 2, 3, ["alpha", "beta", "transA", "transB"])],
  ["Identity", rule(importIdentity, 1, 1)],
  ["Mul", rule(importBinary("mul"), 2, 2)],
  ["Pad", rule(importPad, 2, 3, ["mode"])],
  ["Relu", rule(importRelu, 1, 1)],
  ["Sub", rule(importBinary("sub"), 2, 2)],
]);

export const QONNX_OPERATORS: ReadonlyMap<string, ImportRule> = new Map([
  ["BipolarQuant", rule(importBipolarQuant, 2, 2)],
  ["IntQuant", rule(importQuant, 4, 4, QUANT)],
  ["Quant", rule(importQuant, 4, 4, QUANT)],
]);

function ruleOf(node: OnnxNode): ImportRule | undefined {
  if (isStandardDomain(node.domain)) return STANDARD_OPERATORS.get(node.opType ?? "");
  return isQonnx(node) ? QONNX_OPERATORS.get(node.opType ?? "") : undefined;
}

/**
 * Adds a node to the graph; one that reads a missing tensor is looked at but not added.
 * @throws Unsupported
 */
export function importNode(context: ImportContext, node: OnnxNode, missing: ReadonlySet<string>): void {
  const known = ruleOf(node);
  if (!known)
    throw new Unsupported(
      "this operator does not compile",
      `Operators that do: ${[...STANDARD_OPERATORS.keys(), ...QONNX_OPERATORS.keys()].join(", ")}.`,
    );
  const [fewest, most] = known.inputs;
  const inputs = node.input.findLastIndex((name) => name !== "") + 1;
  if (inputs < fewest || inputs > most)
    throw new Unsupported(
      `it has ${inputs} inputs`,
      `Give it ${fewest === most ? fewest : `${fewest} or ${most}`}, or export another operator set.`,
    );
  if (node.output.length !== 1 || node.output[0] === "")
    throw new Unsupported(`it has ${node.output.length} outputs`, "Export the model for inference, not for training.");
  const odd = node.attribute.find(({ name }) => !known.attributes.includes(name ?? ""));
  if (odd) throw new Unsupported(`its attribute "${odd.name}" is not known`, "Export another operator set.");
  if (!node.input.some((name) => missing.has(name))) known.run(context, node);
}
