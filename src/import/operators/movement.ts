/** Operators that move values: what they can, they do to the view. Flatten, Reshape, Squeeze, Unsqueeze, Transpose, Concat, Pad, Slice. */
import { elementCount } from "../../graph/graph.ts";
import { rangeOn } from "../../graph/grid.ts";
import { type Constant, checkFinite, commonValue } from "../constant.ts";
import type { Cut, ImportContext } from "../context.ts";
import { asStored, graphShape, transposedView, type View } from "../layout.ts";
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { reshapedDims, sliceOf, squeezedDims, unsqueezedDims } from "./shapes.ts";
import { axesOf, axisOf, graphAxisOf, requireValue, withAxes } from "./support.ts";

function show(context: ImportContext, onnx: OnnxNode, view: View): void {
  const name = onnx.output[0]!;
  context.views.set(name, { ...view, name });
}

export function importReshape(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  // Before operator set 5 the shape was an attribute; some exporters still write it so.
  const shape = intsAttribute(onnx, "shape", undefined) ?? context.integers(onnx, 1, "shape");
  if (!shape) throw new Unsupported("it has no shape", "Export the model again.", "H203");
  show(context, onnx, { ...view, dims: reshapedDims(view.dims, shape, intAttribute(onnx, "allowzero", 0) !== 0) });
}

export function importFlatten(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  const rank = view.dims.length;
  const axis = intAttribute(onnx, "axis", 1);
  const split = axis === rank ? rank : axisOf(axis, rank);
  const dims = [elementCount(view.dims.slice(0, split)), elementCount(view.dims.slice(split))];
  show(context, onnx, { ...view, dims });
}

export function importSqueeze(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  show(context, onnx, { ...view, dims: squeezedDims(view.dims, axesOf(context, onnx, view.dims.length, 1)) });
}

export function importUnsqueeze(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  const given = intsAttribute(onnx, "axes", undefined) ?? context.integers(onnx, 1, "axes");
  show(context, onnx, { ...view, dims: unsqueezedDims(view.dims, given ?? []) });
}

export function importTranspose(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  const perm = permOf(onnx, view.dims.length);
  const turned = transposedView(view, perm) ?? transposedView(context.settled(view), perm);
  show(context, onnx, turned!);
}

/** Axes in reverse order where the attribute is left out. */
export function permOf(onnx: OnnxNode, rank: number): number[] {
  const perm = intsAttribute(onnx, "perm", [...new Array(rank).keys()].reverse());
  if (perm.length !== rank || perm.toSorted((a, b) => a - b).some((axis, i) => axis !== i))
    throw new Unsupported(`its perm [${perm}] does not order ${rank} axes`, "Correct it in the model.", "H203");
  return perm;
}

/** Of tensors that lie in the same way along one of the graph's axes; of others after they are put in order. */
export function importConcat(context: ImportContext, onnx: OnnxNode): void {
  const views = onnx.input.map((name, i) => {
    const constant = context.constants.get(name);
    return withAxes(context, constant ? constantView(context, name, constant) : context.view(onnx, i));
  });
  const [first] = views as [View, ...View[]];
  const axis = axisOf(intAttribute(onnx, "axis", 1), first.dims.length);
  const alike = views.every(
    ({ dims, perm, units }) =>
      dims.length === first.dims.length &&
      perm.join() === first.perm.join() &&
      JSON.stringify(units) === JSON.stringify(first.units),
  );
  const laid = alike ? views : views.map((view) => context.settled(view));
  const [head] = laid as [View, ...View[]];
  if (laid.some(({ units }) => JSON.stringify(units) !== JSON.stringify(head.units)))
    throw new Unsupported("its inputs are quantised by different scales", "Dequantise them in front of it.");
  for (const { dims } of laid)
    if (dims.length !== head.dims.length || dims.some((n, i) => i !== axis && n !== head.dims[i]))
      throw new Unsupported(`its inputs have the shapes [${head.dims}] and [${dims}]`, "Correct the shapes.", "H203");
  const along = graphAxisOf(head, axis);
  if (along === undefined) throw new Unsupported("it works along the batch", "Concatenate channels or pixels.");
  const size = laid.reduce((sum, { dims }) => sum + dims[axis]!, 0);
  const tensors = laid.map(({ tensor }) => tensor);
  context.emit(onnx, "concat", tensors, { axis: along }, resized(head, axis, size));
}

/** A constant among tensors that are computed: zeros for channels that a shortcut lacks. */
function constantView(context: ImportContext, name: string, constant: Constant): View {
  checkFinite(constant, "constant");
  const step = constant.steps && commonValue(constant.steps);
  const grid = step === undefined ? undefined : rangeOn(constant.data, step);
  return asStored(context.addConstant(name, graphShape(constant.dims), constant.data, grid), constant.dims);
}

/** A view with another size along one of its axes. */
function resized(view: View, axis: number, size: number): View {
  const stored = view.stored.map((n, i) => (i === view.perm[axis] ? size : n));
  return { ...view, stored, dims: view.dims.map((n, i) => (i === axis ? size : n)) };
}

/** Pads and value are attributes before operator set 11, inputs since. */
export function importPad(context: ImportContext, onnx: OnnxNode): void {
  const view = context.activation(onnx, 0);
  const rank = view.dims.length;
  requireValue(stringAttribute(onnx, "mode", "constant"), "constant", "mode");
  const given = intsAttribute(onnx, "pads", undefined) ?? context.integers(onnx, 1, "pads") ?? [];
  const axes = context.integers(onnx, 3, "axes")?.map((axis) => axisOf(axis, rank)) ?? [...view.dims.keys()];
  if (given.length !== 2 * axes.length)
    throw new Unsupported(`it has ${given.length} pads for ${axes.length} axes`, "Correct them in the model.", "H203");
  const value = onnx.input[2] ? context.scalar(onnx, 2, "padding value") : floatAttribute(onnx, "value", 0);
  if (!Number.isFinite(value)) throw new Unsupported(`it pads with ${value}`, "Pad with a finite value.");
  if (given.some((n) => n < 0)) throw new Unsupported("it crops (negative pads)", "Use pads of zero or more.");
  if (given.every((n) => n === 0)) {
    show(context, onnx, view);
    return;
  }
  let laid = withAxes(context, view);
  const shape = context.builder.tensor(laid.tensor).shape;
  const [before, after] = [shape.map(() => 0), shape.map(() => 0)];
  for (const [i, axis] of axes.entries()) {
    const [front, behind] = [given[i]!, given[i + axes.length]!];
    if (front + behind === 0) continue;
    const own = graphAxisOf(laid, axis);
    if (own === undefined) throw new Unsupported("it pads the batch dimension", "Pad channels or pixels only.");
    before[own] = front;
    after[own] = behind;
    laid = resized(laid, axis, laid.dims[axis]! + front + behind);
  }
  context.emit(onnx, "pad", [laid.tensor], { before, after, value }, laid);
}

/** Starts, ends and axes are attributes before operator set 10, inputs since. A slice of a slice is one of what that was made of. */
export function importSlice(context: ImportContext, onnx: OnnxNode): void {
  const view = context.view(onnx, 0);
  const ranges = sliceOf(context, onnx, view.dims);
  let laid = withAxes(context, view);
  const earlier = context.slices.get(laid.tensor);
  const shape = context.builder.tensor(laid.tensor).shape;
  const [starts, ends, steps] = [shape.map(() => 0), [...shape], shape.map(() => 1)];
  for (const { axis, start, end, step } of ranges) {
    if (start === 0 && end === laid.dims[axis] && step === 1) continue;
    const own = graphAxisOf(laid, axis);
    if (own === undefined) throw new Unsupported("it slices the batch", "Slice channels or pixels only.");
    if (step < 1) throw new Unsupported("it reverses an axis", "Use positive steps.");
    if (end <= start) throw new Unsupported("nothing is left of its input", "Correct its range.", "H203");
    [starts[own], ends[own], steps[own]] = [start, end, step];
    laid = resized(laid, axis, Math.ceil((end - start) / step));
  }
  if (laid.dims.join() === view.dims.join()) {
    show(context, onnx, view);
    return;
  }
  const cut = earlier ? composed(earlier, { starts, ends, steps }) : { source: laid.tensor, starts, ends, steps };
  const { source, ...attributes } = cut;
  context.emit(onnx, "slice", [source], attributes, laid);
  context.slices.set(context.views.get(onnx.output[0]!)!.tensor, cut);
}

/** What the graph's slice of a slice takes from the first one's source. */
function composed(first: Cut, second: Omit<Cut, "source">): Cut {
  const starts = first.starts.map((start, i) => start + second.starts[i]! * first.steps[i]!);
  const steps = first.steps.map((step, i) => step * second.steps[i]!);
  const ends = starts.map((start, i) => {
    const count = Math.ceil((second.ends[i]! - second.starts[i]!) / second.steps[i]!);
    return start + (count - 1) * steps[i]! + 1;
  });
  return { source: first.source, starts, ends, steps };
}
