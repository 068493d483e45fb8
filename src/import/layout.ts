/**
 * How an ONNX tensor lies in the graph. The graph keeps feature maps as [C, H, W] whatever the file's layout is, and moves values only
 * where it must: Transpose, Reshape and their kin change a view, and a node is made when an operator needs the elements in order.
 */
import { indicesOf, stridesOf } from "../graph/operators/indices.ts";

export interface View {
  /** The graph's tensor. Its elements, row-major, are those of `stored`. */
  readonly tensor: string;
  /** Dimensions in the order in which the elements lie, batch (1) included. */
  readonly stored: readonly number[];
  /** The ONNX tensor has the elements of transpose(stored, perm), row-major ... */
  readonly perm: readonly number[];
  /** ... in these dimensions. */
  readonly dims: readonly number[];
  /** The file's name of it where no tensor of the graph has that yet: what puts it in order is called so. */
  readonly name?: string;
  /** The ONNX tensor holds integers q of a QuantizeLinear; the graph's holds what they stand for, (q - zero) * scale. */
  readonly units?: Units;
}

export interface Units {
  readonly scale: readonly number[];
  readonly zero: readonly number[];
}

/** A view of a tensor as it lies. */
export function asStored(tensor: string, dims: readonly number[], units?: Units): View {
  return { tensor, stored: dims, perm: dims.map((_, i) => i), dims, ...(units && { units }) };
}

/** Whether the ONNX tensor's elements lie in its order: moving axes of one element changes nothing. */
export function inOrder({ stored, perm }: Pick<View, "stored" | "perm">): boolean {
  const moved = perm.filter((axis) => stored[axis] !== 1);
  return moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
}

/** For each element of the ONNX tensor, row-major, where it lies. */
export function positionsOf({ stored, perm }: View): Int32Array {
  const strides = stridesOf(stored);
  return indicesOf(
    perm.map((axis) => stored[axis]!),
    perm.map((axis) => strides[axis]!),
  );
}

/** The same elements with axes in another order; undefined when the elements' grouping has changed since they were last in order. */
export function transposedView(view: View, perm: readonly number[]): View | undefined {
  const flat = inOrder(view) ? { ...view, ...asStored(view.tensor, view.dims) } : view;
  const axes = flat.perm.map((axis) => flat.stored[axis]!);
  if (axes.join() !== flat.dims.join()) return undefined;
  const turned = perm.map((axis) => flat.perm[axis]!);
  const dims = turned.map((axis) => flat.stored[axis]!);
  const result = { ...flat, perm: turned, dims };
  return inOrder(result) ? { ...result, ...asStored(view.tensor, dims) } : result;
}

/** The graph's shape for ONNX dimensions: no batch, and signals [C, L] as maps [C, 1, L]. */
export function graphShape(dims: readonly number[]): number[] {
  const own = dims.length > 1 && dims[0] === 1 ? dims.slice(1) : [...dims];
  if (own.length === 2) return [own[0]!, 1, own[1]!];
  return own.length === 0 ? [1] : own;
}

/** The axis of `graphShape(dims)` that an ONNX axis becomes, or undefined for the batch. */
export function graphAxis(dims: readonly number[], axis: number): number | undefined {
  const own = dims.length > 1 && dims[0] === 1 ? axis - 1 : axis;
  if (own < 0) return undefined;
  const rank = dims.length - (axis - own);
  return rank === 2 && own === 1 ? 2 : own;
}

export interface Transposition {
  /** The shape in which to take the tensor. */
  readonly from: readonly number[];
  /** The axes of it that follow each other then, and the shape that they make. */
  readonly perm: readonly number[];
  readonly to: readonly number[];
}

/** What brings a view's elements into order. */
export function transposition({ stored, perm }: View): Transposition {
  const from = graphShape(stored);
  const to = graphShape(perm.map((axis) => stored[axis]!));
  const moved = perm.filter((axis) => stored[axis] !== 1);
  if (from.length !== to.length) {
    const rest = moved.toSorted((a, b) => a - b);
    const sizes = (axes: readonly number[]) => axes.map((axis) => stored[axis]!);
    return { from: sizes(rest), perm: moved.map((axis) => rest.indexOf(axis)), to: sizes(moved) };
  }
  const axes = moved.map((axis) => graphAxis(stored, axis)!).values();
  const ones = [...from.keys()].filter((axis) => from[axis] === 1).values();
  return { from, perm: to.map((size) => (size === 1 ? ones : axes).next().value!), to };
}
