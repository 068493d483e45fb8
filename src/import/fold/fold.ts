/** Evaluating nodes whose inputs are constants: shape arithmetic, and whatever exporters leave uncomputed. */
import type { Constant } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { ELEMENTWISE_FOLDS } from "./elementwise.ts";
import { MOVEMENT_FOLDS } from "./movement.ts";

/** The value of a node; inputs that it leaves out are undefined. */
export type Fold = (context: ImportContext, onnx: OnnxNode, inputs: readonly (Constant | undefined)[]) => Constant;

/** Elements of all folded constants of a model together: a second's work. */
const MAX_FOLDED = 1 << 23;

const FOLDS: ReadonlyMap<string, Fold> = new Map<string, Fold>(
  Object.entries({ ...ELEMENTWISE_FOLDS, ...MOVEMENT_FOLDS }),
);

/** The standard operators that are evaluated on constants. */
export const FOLDED_OPERATORS: ReadonlySet<string> = new Set(FOLDS.keys());

/** Evaluates the node if all of its inputs are constants and it can be; returns whether it was. */
export function foldNode(context: ImportContext, onnx: OnnxNode): boolean {
  const fold = FOLDS.get(onnx.opType ?? "");
  if (!fold || onnx.input.length === 0) return false;
  const inputs = onnx.input.map((name) => (name === "" ? undefined : context.constants.get(name)));
  if (onnx.input.some((name, i) => name !== "" && !inputs[i])) return false;
  const constant = fold(context, onnx, inputs);
  context.folded += constant.data.length;
  if (context.folded > MAX_FOLDED)
    throw new Unsupported(
      `constants of more than ${MAX_FOLDED} elements are computed up to it`,
      "Fold constants before exporting.",
      "H210",
    );
  context.constants.set(onnx.output[0]!, constant);
  return true;
}
