/** What the import functions of several operators share. */
import type { Attributes } from "../../graph/graph.ts";
import type { ImportContext } from "../context.ts";
import { asStored, graphAxis, graphShape, inOrder, type View } from "../layout.ts";
import { intsAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";

export type ImportFunction = (context: ImportContext, onnx: OnnxNode) => void;

export function requireValue(actual: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted))
    throw new Unsupported(`its ${what} is ${JSON.stringify(actual)}`, `Only ${JSON.stringify(wanted)} compiles.`);
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  if (!(axis >= -rank && axis < rank))
    throw new Unsupported(`its axis ${axis} does not exist among ${rank}`, "Correct the axis in the model.", "H203");
  return axis < 0 ? axis + rank : axis;
}

/** Axes given as an attribute (old operator sets) or as an input, counted from the front; undefined where they are left out. */
export function axesOf(context: ImportContext, onnx: OnnxNode, rank: number, position: number): number[] | undefined {
  const axes = intsAttribute(onnx, "axes", undefined) ?? context.integers(onnx, position, "axes");
  return axes?.map((axis) => axisOf(axis, rank));
}

/** A function of each value alone: it does not ask how they lie. */
export function elementwise(
  context: ImportContext,
  onnx: OnnxNode,
  op: string,
  view: View,
  attributes: Attributes = {},
): void {
  const { units: _, ...rest } = view;
  context.emit(onnx, op, [view.tensor], attributes, rest);
}

/** A view with axes: its tensor in the shape of `stored`, and its dimensions those axes in the order of `perm`. */
export function withAxes(context: ImportContext, view: View): View {
  const grouped = view.perm.map((axis) => view.stored[axis]).join() !== view.dims.join();
  if (grouped)
    return inOrder(view) ? withAxes(context, { ...view, ...asStored(view.tensor, view.dims) }) : context.settled(view);
  return { ...view, tensor: context.shaped(view.tensor, graphShape(view.stored)) };
}

/** The graph's axis behind an axis of a view with axes; undefined for the batch. */
export function graphAxisOf({ stored, perm }: View, axis: number): number | undefined {
  return graphAxis(stored, perm[axis]!);
}

/** The view with this axis as the graph's first, its channels; moved there where it is not. */
export function withChannels(context: ImportContext, view: View, axis: number): View {
  const laid = withAxes(context, view);
  if (graphAxisOf(laid, axis) === 0) return laid;
  if (laid.dims[0] !== 1 || axis === 0)
    throw new Unsupported(`it works along axis ${axis} of [${laid.dims}]`, "Keep the batch first.");
  const order = laid.dims.map((_, i) => i).filter((i) => i !== 0 && i !== axis);
  const turn = [0, axis, ...order];
  const back = laid.dims.map((_, i) => turn.indexOf(i));
  const turned = { ...laid, perm: turn.map((i) => laid.perm[i]!), dims: turn.map((i) => laid.dims[i]!) };
  const settled = context.settled(turned);
  return { ...settled, perm: back, dims: laid.dims };
}

/** A map [1, C, H, W] or signal [1, C, L] in the graph's own layout. */
export function asMap(context: ImportContext, view: View): View {
  const { dims } = view;
  if (dims[0] !== 1 || dims.length < 3 || dims.length > 4)
    throw new Unsupported(
      `its input has the shape [${dims}]`,
      "Give it a map [batch, channels, height, width] or a signal [batch, channels, length].",
      "H203",
    );
  return context.settled(view);
}
