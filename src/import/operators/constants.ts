/** Constant, Shape and Size: constants that a node makes by itself or from the dimensions of its input. */
import { elementCount } from "../../graph/graph.ts";
import { floatConstant, int64Constant } from "../constant.ts";
import type { ImportContext } from "../context.ts";
import { floatAttribute, floatsAttribute, intAttribute, intsAttribute, tensorAttribute } from "../onnx/attributes.ts";
import { readNumbers } from "../onnx/tensor.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";

export function importConstant(context: ImportContext, onnx: OnnxNode): void {
  const set = (constant: Parameters<typeof context.constants.set>[1]) =>
    context.constants.set(onnx.output[0]!, constant);
  const tensor = tensorAttribute(onnx, "value");
  if (tensor) return void set(readNumbers(tensor, context.options.file));
  const float = floatAttribute(onnx, "value_float", undefined);
  if (float !== undefined) return void set(floatConstant([], Float64Array.of(float)));
  const floats = floatsAttribute(onnx, "value_floats", undefined);
  if (floats) return void set(floatConstant([floats.length], Float64Array.from(floats)));
  const int = intAttribute(onnx, "value_int", undefined);
  if (int !== undefined) return void set({ ...int64Constant([int]), dims: [] });
  const ints = intsAttribute(onnx, "value_ints", undefined);
  if (ints) return void set(int64Constant(ints));
  throw new Unsupported("it holds no tensor or numbers", "Export constants as initialisers.", "H205");
}

/** Dimensions from `start` to before `end`. */
export function importShape(context: ImportContext, onnx: OnnxNode): void {
  const dims = dimsOf(context, onnx);
  const part = dims.slice(intAttribute(onnx, "start", 0), intAttribute(onnx, "end", dims.length));
  context.constants.set(onnx.output[0]!, int64Constant(part));
}

export function importSize(context: ImportContext, onnx: OnnxNode): void {
  context.constants.set(onnx.output[0]!, { ...int64Constant([elementCount(dimsOf(context, onnx))]), dims: [] });
}

function dimsOf(context: ImportContext, onnx: OnnxNode): readonly number[] {
  return context.constants.get(onnx.input[0]!)?.dims ?? context.view(onnx, 0).dims;
}
