/** Every ONNX operator that compiles in an edge part, by domain and name, with what of it compiles: the coverage list. */
import { DIAGNOSTICS } from "../diagnostics.ts";
import type { ImportContext } from "./context.ts";
import { FOLDED_OPERATORS, foldNode } from "./fold/fold.ts";
import { isStandardDomain } from "./onnx/attributes.ts";
import { isQonnx } from "./onnx/quant-node.ts";
import type { OnnxNode } from "./onnx/types.ts";
import { Unsupported } from "./onnx/unsupported.ts";
import { importArgMax, importBatchNormalization, importLogSoftmax, importSoftmax } from "./operators/channels.ts";
import { importConstant, importShape, importSize } from "./operators/constants.ts";
import {
  importBinary,
  importCast,
  importClip,
  importDropout,
  importHardSigmoid,
  importIdentity,
  importUnary,
} from "./operators/elementwise.ts";
import { importConv, importGemm, importMatMul } from "./operators/linear.ts";
import {
  importConcat,
  importFlatten,
  importPad,
  importReshape,
  importSlice,
  importSqueeze,
  importTranspose,
  importUnsqueeze,
} from "./operators/movement.ts";
import { importAveragePool, importGlobalPool, importMaxPool, importReduceMean } from "./operators/pools.ts";
import { importDequantizeLinear, importQuantizeLinear } from "./operators/quantize-linear.ts";
import { importBipolarQuant, importQuant, importTrunc } from "./operators/quantizers.ts";
import type { ImportFunction } from "./operators/support.ts";

export interface ImportRule {
  /** What of the operator compiles, in one line. */
  readonly note: string;
  /** Fewest and most inputs. */
  readonly inputs: readonly [number, number];
  /** Attributes that the function looks at, or that do not matter at inference. A node with another one means what is not known here. */
  readonly attributes: readonly string[];
  readonly run: ImportFunction;
}

function rule(
  run: ImportFunction,
  inputs: number | readonly [number, number],
  note: string,
  attributes: readonly string[] = [],
): ImportRule {
  return { run, inputs: typeof inputs === "number" ? [inputs, inputs] : inputs, note, attributes };
}

const MOST_INPUTS = 1024;
const WINDOW = ["auto_pad", "dilations", "kernel_shape", "pads", "strides"];
const QUANT = ["narrow", "rounding_mode", "signed"];
const LINEAR = ["axis", "block_size", "output_dtype", "saturate"];
const ARITHMETIC =
  "two tensors of one shape, or one and a constant: a single value, one per channel or one per element";

const STANDARD: Record<string, ImportRule> = {
  Add: rule(importBinary("add"), 2, ARITHMETIC),
  ArgMax: rule(importArgMax, 1, "along any axis but the batch; of equal values the first", [
    "axis",
    "keepdims",
    "select_last_index",
  ]),
  AveragePool: rule(
    importAveragePool,
    1,
    "1-D and 2-D; pads, with or without count_include_pad; ceil_mode; no dilations",
    [...WINDOW, "ceil_mode", "count_include_pad"],
  ),
  BatchNormalization: rule(importBatchNormalization, 5, "at inference; of vectors, signals and maps", [
    "epsilon",
    "momentum",
    "spatial",
    "training_mode",
  ]),
  Cast: rule(importCast, 1, "to float32 or float64, or to integers that hold every value; on constants to any", [
    "to",
    "saturate",
  ]),
  Clip: rule(importClip, [1, 3], "constant bounds, as inputs or attributes; behind a QuantizeLinear, to fewer bits", [
    "min",
    "max",
  ]),
  Concat: rule(importConcat, [1, MOST_INPUTS], "of tensors and constants, along any axis but the batch", ["axis"]),
  Constant: rule(importConstant, 0, "tensors, numbers and lists of numbers", [
    "value",
    "value_float",
    "value_floats",
    "value_int",
    "value_ints",
  ]),
  Conv: rule(
    importConv,
    [2, 3],
    "1-D and 2-D with constant weights; groups, depthwise, strides, dilations, pads, auto_pad",
    [...WINDOW, "group"],
  ),
  DequantizeLinear: rule(
    importDequantizeLinear,
    [2, 3],
    "behind a QuantizeLinear of the same parameters, or on constants",
    LINEAR,
  ),
  Div: rule(importBinary("div"), 2, ARITHMETIC),
  Dropout: rule(importDropout, [1, 3], "at inference, where it does nothing", ["ratio", "seed"]),
  Flatten: rule(importFlatten, 1, "at any axis", ["axis"]),
  Gemm: rule(importGemm, [2, 3], "of a vector by constant weights; alpha, beta, transA and transB", [
    "alpha",
    "beta",
    "transA",
    "transB",
  ]),
  GlobalAveragePool: rule(importGlobalPool("averagePool"), 1, "of signals and maps"),
  GlobalMaxPool: rule(importGlobalPool("maxPool"), 1, "of signals and maps"),
  HardSigmoid: rule(importHardSigmoid, 1, "any alpha and beta", ["alpha", "beta"]),
  Identity: rule(importIdentity, 1, "always"),
  LogSoftmax: rule(importLogSoftmax, 1, "as the model's output only, as Softmax", ["axis"]),
  MatMul: rule(importMatMul, 2, "by a constant matrix on the right, along the last axis"),
  MaxPool: rule(importMaxPool, 1, "1-D and 2-D; pads, dilations, ceil_mode; one output", [
    ...WINDOW,
    "ceil_mode",
    "storage_order",
  ]),
  Mul: rule(importBinary("mul"), 2, ARITHMETIC),
  Pad: rule(importPad, [1, 4], "with a constant value; any axis but the batch; no cropping", ["mode", "pads", "value"]),
  QuantizeLinear: rule(
    importQuantizeLinear,
    [2, 3],
    "to int8, uint8, int16 or uint16; per tensor or per channel",
    LINEAR,
  ),
  ReduceMean: rule(importReduceMean, [1, 2], "over axes of pixels", ["axes", "keepdims", "noop_with_empty_axes"]),
  Relu: rule(importUnary("relu"), 1, "always"),
  Reshape: rule(importReshape, [1, 2], "to a constant or computed shape; 0 and -1 included", ["allowzero", "shape"]),
  Shape: rule(importShape, 1, "always: it is a constant here", ["start", "end"]),
  Sign: rule(importUnary("sign"), 1, "always"),
  Size: rule(importSize, 1, "always: it is a constant here"),
  Slice: rule(importSlice, [1, 5], "of channels or pixels, forwards", ["axes", "ends", "starts"]),
  Softmax: rule(importSoftmax, 1, "along any axis but the batch; at the end of a model the host computes it", ["axis"]),
  Squeeze: rule(importSqueeze, [1, 2], "always", ["axes"]),
  Sub: rule(importBinary("sub"), 2, ARITHMETIC),
  Transpose: rule(importTranspose, 1, "any order; dissolved where the operators around it allow", ["perm"]),
  Unsqueeze: rule(importUnsqueeze, [1, 2], "always", ["axes"]),
};

const QUANTISER = "1 to 32 bits; scale and zero point per tensor or per channel; every rounding mode; signed, narrow";

const QONNX: Record<string, ImportRule> = {
  BipolarQuant: rule(importBipolarQuant, 2, "scale per tensor or per channel"),
  IntQuant: rule(importQuant, 4, QUANTISER, QUANT),
  Quant: rule(importQuant, 4, QUANTISER, QUANT),
  Trunc: rule(importTrunc, [5, 7], "in version 2 and, with a zero point of 0, in version 1; per tensor", QUANT),
};

/** Attributes of the operators that are evaluated on constants only. */
const CONSTANT_ATTRIBUTES = ["axes", "axis", "fmod", "keepdims", "noop_with_empty_axes", "to", "value"];

/** An operator that compiles where all that it reads is constant. */
const onConstants = rule(
  (_context, onnx) => {
    throw new Unsupported(
      "it compiles on constants only, and reads what is computed from the sample",
      `Replace ${onnx.opType} by operators that compile.`,
      "H201",
    );
  },
  [1, MOST_INPUTS],
  "on constants only: it is evaluated by the compiler",
  CONSTANT_ATTRIBUTES,
);

export const STANDARD_OPERATORS: ReadonlyMap<string, ImportRule> = new Map(
  Object.entries({ ...Object.fromEntries([...FOLDED_OPERATORS].map((name) => [name, onConstants])), ...STANDARD }).sort(
    ([a], [b]) => (a < b ? -1 : 1),
  ),
);

export const QONNX_OPERATORS: ReadonlyMap<string, ImportRule> = new Map(Object.entries(QONNX));

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
  if (!known) throw new Unsupported("this operator does not compile", DIAGNOSTICS.H201.remedy, "H201");
  const [fewest, most] = known.inputs;
  const inputs = node.input.findLastIndex((name) => name !== "") + 1;
  if (inputs < fewest || inputs > most)
    throw new Unsupported(
      `it has ${inputs} inputs`,
      `Give it ${fewest === most ? fewest : `${fewest} to ${most}`}, or export another operator set.`,
    );
  const outputs = node.output.filter((name) => name !== "").length;
  const spare = node.opType === "Dropout" ? 1 : 0;
  if (!node.output[0] || outputs > 1 + spare)
    throw new Unsupported(`it has ${outputs} outputs`, "Export the model for inference, not for training.");
  const odd = node.attribute.find(({ name }) => !known.attributes.includes(name ?? ""));
  if (odd) throw new Unsupported(`its attribute "${odd.name}" is not known`, "Export another operator set.");
  if (node.input.some((name) => missing.has(name))) return;
  if (isStandardDomain(node.domain) && foldNode(context, node)) return;
  known.run(context, node);
}
