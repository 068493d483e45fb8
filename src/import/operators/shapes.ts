/** The dimensions that ONNX's operators on shapes give; of constants and of what is computed from the sample alike. */
import { elementCount } from "../../graph/graph.ts";
import type { ImportContext } from "../context.ts";
import { intsAttribute } from "../onnx/attributes.ts";
import type { OnnxNode } from "../onnx/types.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { axisOf } from "./support.ts";

const CORRECT = "Correct the shapes in the model.";

/** 0 stands for the input's size there (unless zeros are allowed), one -1 for what is left. */
export function reshapedDims(dims: readonly number[], shape: readonly number[], allowZero: boolean): number[] {
  const wanted = shape.map((n, i) => (n === 0 && !allowZero ? (dims[i] ?? 0) : n));
  const open = wanted.filter((n) => n === -1).length;
  const known = wanted.reduce((product, n) => (n === -1 ? product : product * n), 1);
  const result = wanted.map((n) => (n === -1 ? elementCount(dims) / known : n));
  if (open > 1 || result.some((n) => !Number.isInteger(n) || n < 0) || elementCount(result) !== elementCount(dims))
    throw new Unsupported(
      `it gives [${dims}] the shape [${shape}]`,
      "Export the model with batch 1, or correct it.",
      "H203",
    );
  return result;
}

/** All axes of one element where none are given. */
export function squeezedDims(dims: readonly number[], axes: readonly number[] | undefined): number[] {
  for (const axis of axes ?? [])
    if (dims[axis] !== 1) throw new Unsupported(`it drops axis ${axis} of [${dims}]`, CORRECT, "H203");
  return dims.filter((n, axis) => (axes ? !axes.includes(axis) : n !== 1));
}

/** `axes` count in the result. */
export function unsqueezedDims(dims: readonly number[], axes: readonly number[]): number[] {
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  if (added.size !== axes.length || rank > 8)
    throw new Unsupported(`it adds the axes [${axes}] to [${dims}]`, CORRECT, "H203");
  const rest = dims.values();
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.next().value!));
}

export interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The ranges of a Slice, within its input: attributes before operator set 10, inputs since. */
export function sliceOf(context: ImportContext, onnx: OnnxNode, dims: readonly number[]): Range[] {
  const list = (name: string, position: number) =>
    intsAttribute(onnx, name, undefined) ?? context.integers(onnx, position, name);
  const starts = list("starts", 1) ?? [];
  const ends = list("ends", 2) ?? [];
  const axes = list("axes", 3) ?? [...starts.keys()];
  const steps = list("steps", 4) ?? starts.map(() => 1);
  if ([ends, axes, steps].some(({ length }) => length !== starts.length) || steps.includes(0))
    throw new Unsupported(
      `it has ${starts.length} starts, ${ends.length} ends and ${axes.length} axes`,
      CORRECT,
      "H203",
    );
  return starts.map((from, i) => {
    const axis = axisOf(axes[i]!, dims.length);
    const size = dims[axis]!;
    const step = steps[i]!;
    const bounded = (at: number) => {
      const counted = at < 0 ? at + size : at;
      return step > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1);
    };
    return { axis, start: bounded(from), end: bounded(ends[i]!), step };
  });
}
