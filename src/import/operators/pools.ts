/** MaxPool, AveragePool and their global forms; ReduceMean over pixels. */
import type { Window } from "../../graph/operators/window.ts";
import type { ImportContext } from "../context.ts";
import { intAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { asMap, axesOf, graphAxisOf, type ImportFunction, requireValue, withAxes } from "./support.ts";
import { readWindow, sizes } from "./windows.ts";

export function importMaxPool(context: ImportContext, onnx: OnnxNode): void {
  requireValue(intAttribute(onnx, "storage_order", 0), 0, "storage_order");
  const x = asMap(context, context.view(onnx, 0));
  const { shape } = context.builder.tensor(x.tensor);
  const window = pooling(onnx, x.dims.length - 2, shape);
  const { kernel, strides, pads, dilations } = window;
  context.emitMap(
    onnx,
    "maxPool",
    [x.tensor],
    { kernel, strides, pads: roundedUp(onnx, window, shape) ?? pads, dilations },
    x,
  );
}

export function importAveragePool(context: ImportContext, onnx: OnnxNode): void {
  const x = asMap(context, context.activation(onnx, 0));
  const { shape } = context.builder.tensor(x.tensor);
  const window = pooling(onnx, x.dims.length - 2, shape);
  const { kernel, strides, dilations } = window;
  requireValue(dilations.join(), "1,1", "dilations");
  const countIncludePad = intAttribute(onnx, "count_include_pad", 0);
  const more = roundedUp(onnx, window, shape);
  if (more && countIncludePad)
    throw new Unsupported(
      "its last windows are cut off, and padding counts",
      "Use ceil_mode 0, or count_include_pad 0.",
    );
  context.emitMap(onnx, "averagePool", [x.tensor], { kernel, strides, pads: more ?? window.pads, countIncludePad }, x);
}

function pooling(onnx: OnnxNode, axes: number, shape: readonly number[]): Window {
  return readWindow(onnx, sizes(onnx, "kernel_shape", [], axes, 1), shape);
}

/** Pads with which the windows that ceil_mode adds count as whole ones; undefined where it adds none. */
function roundedUp(onnx: OnnxNode, window: Window, shape: readonly number[]): number[] | undefined {
  if (!intAttribute(onnx, "ceil_mode", 0)) return undefined;
  const { kernel, strides, pads, dilations } = window;
  const missing = [0, 1].map((axis) => {
    const size = shape[axis + 1]!;
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const rest = size + pads[axis]! + pads[axis + 2]! - reach;
    const more = Math.ceil(rest / strides[axis]!) * strides[axis]! - rest;
    // A window that would start behind the map is none.
    const starts = Math.ceil(rest / strides[axis]!) * strides[axis]! < size + pads[axis]!;
    return rest >= 0 && starts ? more : 0;
  });
  return missing.some((n) => n > 0) ? [pads[0], pads[1], pads[2] + missing[0]!, pads[3] + missing[1]!] : undefined;
}

/** GlobalAveragePool and GlobalMaxPool. */
export function importGlobalPool(op: "averagePool" | "maxPool"): ImportFunction {
  return (context, onnx) => {
    const x = asMap(context, op === "maxPool" ? context.view(onnx, 0) : context.activation(onnx, 0));
    const kernel = context.builder.tensor(x.tensor).shape.slice(1);
    context.emitMap(onnx, op, [x.tensor], { kernel, strides: kernel }, x);
  };
}

/** The mean over axes of pixels. */
export function importReduceMean(context: ImportContext, onnx: OnnxNode): void {
  const view = context.activation(onnx, 0);
  const rank = view.dims.length;
  const given = axesOf(context, onnx, rank, 1);
  if (!given?.length && intAttribute(onnx, "noop_with_empty_axes", 0))
    throw new Unsupported("it has no axes", "Remove it.");
  const axes = new Set(given?.length ? given : view.dims.keys());
  const kept = intAttribute(onnx, "keepdims", 1) !== 0;
  const laid = withAxes(context, view);
  const { shape } = context.builder.tensor(laid.tensor);
  const reduced = [...axes].filter((axis) => laid.dims[axis] !== 1).map((axis) => graphAxisOf(laid, axis));
  if (shape.length !== 3 || reduced.some((axis) => axis !== 1 && axis !== 2))
    throw new Unsupported(
      `it averages [${view.dims}] over the axes [${[...axes]}]`,
      "Average over axes of pixels only.",
    );
  const kernel = [1, 2].map((axis) => (reduced.includes(axis) ? shape[axis]! : 1));
  const stored = laid.stored.map((n, axis) => (axes.has(laid.perm.indexOf(axis)) ? 1 : n));
  const dims = laid.dims.flatMap((n, axis) => (axes.has(axis) ? (kept ? [1] : []) : [n]));
  context.emit(onnx, "averagePool", [laid.tensor], { kernel, strides: kernel }, { ...laid, stored, dims });
}
