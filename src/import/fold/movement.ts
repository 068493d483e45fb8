/** Moving, making and picking the elements of constants; sums and means over axes. */
import { elementCount } from "../../graph/graph.ts";
import { indicesOf, stridesOf } from "../../graph/operators/indices.ts";
import { broadcastDims, broadcastIndices, type Constant, checkSize, gathered, isInteger } from "../constant.ts";
import { intAttribute, intsAttribute, tensorAttribute } from "../onnx/attributes.ts";
import { readNumbers } from "../onnx/tensor.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import { permOf } from "../operators/movement.ts";
import { reshapedDims, sliceOf, squeezedDims, unsqueezedDims } from "../operators/shapes.ts";
import { axesOf, axisOf } from "../operators/support.ts";
import type { Fold } from "./fold.ts";

const shaped = ({ data, ...rest }: Constant, dims: readonly number[]): Constant => ({ ...rest, data, dims });

const reshape: Fold = (context, onnx, [x]) => {
  const shape = intsAttribute(onnx, "shape", undefined) ?? context.integers(onnx, 1, "shape") ?? [];
  return shaped(x!, reshapedDims(x!.dims, shape, intAttribute(onnx, "allowzero", 0) !== 0));
};

const flatten: Fold = (_context, onnx, [x]) => {
  const axis = intAttribute(onnx, "axis", 1);
  const split = axis === x!.dims.length ? axis : axisOf(axis, x!.dims.length);
  return shaped(x!, [elementCount(x!.dims.slice(0, split)), elementCount(x!.dims.slice(split))]);
};

const squeeze: Fold = (context, onnx, [x]) =>
  shaped(x!, squeezedDims(x!.dims, axesOf(context, onnx, x!.dims.length, 1)));

const unsqueeze: Fold = (context, onnx, [x]) =>
  shaped(
    x!,
    unsqueezedDims(x!.dims, intsAttribute(onnx, "axes", undefined) ?? context.integers(onnx, 1, "axes") ?? []),
  );

const transpose: Fold = (_context, onnx, [x]) => {
  const perm = permOf(onnx, x!.dims.length);
  const strides = stridesOf(x!.dims);
  const dims = perm.map((axis) => x!.dims[axis]!);
  const indices = indicesOf(
    dims,
    perm.map((axis) => strides[axis]!),
  );
  return gathered(x!, dims, indices);
};

const slice: Fold = (context, onnx, [x]) => {
  const strides = stridesOf(x!.dims);
  const dims = [...x!.dims];
  const steps = [...strides];
  let first = 0;
  for (const { axis, start, end, step } of sliceOf(context, onnx, x!.dims)) {
    dims[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * strides[axis]!;
    steps[axis] = step * strides[axis]!;
  }
  return gathered(x!, dims, indicesOf(dims, steps, first));
};

const gather: Fold = (_context, onnx, [x, at]) => {
  const axis = axisOf(intAttribute(onnx, "axis", 0), x!.dims.length);
  const size = x!.dims[axis]!;
  const picked = Array.from(at!.data, (index) => (index < 0 ? index + size : index));
  if (!picked.every((index) => Number.isInteger(index) && index >= 0 && index < size))
    throw new Unsupported(
      `its indices do not lie in the ${size} elements of axis ${axis}`,
      "Correct the model.",
      "H203",
    );
  const [outer, inner] = [x!.dims.slice(0, axis), x!.dims.slice(axis + 1)];
  const dims = checkSize([...outer, ...at!.dims, ...inner]);
  const block = elementCount(inner);
  const indices = Array.from({ length: elementCount(outer) }, (_, o) =>
    picked.map((index) => Array.from({ length: block }, (_, i) => (o * size + index) * block + i)),
  ).flat(2);
  return gathered(x!, dims, indices);
};

const concat: Fold = (_context, onnx, inputs) => {
  const parts = inputs.map((part) => part!);
  const first = parts[0]!;
  const axis = axisOf(intAttribute(onnx, "axis", 0), first.dims.length);
  for (const { dims } of parts)
    if (dims.length !== first.dims.length || dims.some((n, i) => i !== axis && n !== first.dims[i]))
      throw new Unsupported(`its inputs have the shapes [${first.dims}] and [${dims}]`, "Correct the shapes.", "H203");
  const total = parts.reduce((sum, { dims }) => sum + dims[axis]!, 0);
  const dims = checkSize(first.dims.map((n, i) => (i === axis ? total : n)));
  const strides = stridesOf(dims);
  const stepped = parts.every(({ steps }) => steps);
  const [data, steps] = [new Float64Array(elementCount(dims)), new Float64Array(stepped ? elementCount(dims) : 0)];
  let start = 0;
  for (const part of parts) {
    for (const [i, o] of indicesOf(part.dims, strides, start * strides[axis]!).entries()) {
      data[o] = part.data[i]!;
      if (stepped) steps[o] = part.steps![i]!;
    }
    start += part.dims[axis]!;
  }
  return { dims, data, type: first.type, ...(stepped && { steps }) };
};

const constantOfShape: Fold = (context, onnx, [shape]) => {
  const dims = checkSize([...shape!.data]);
  const tensor = tensorAttribute(onnx, "value");
  const value = tensor && readNumbers(tensor, context.options.file);
  return {
    dims,
    type: value?.type ?? "FLOAT",
    data: new Float64Array(elementCount(dims)).fill(value?.data[0] ?? 0),
  };
};

const expand: Fold = (context, onnx, [x]) => {
  const dims = checkSize(broadcastDims(x!.dims, context.integers(onnx, 1, "shape")!));
  return gathered(x!, dims, broadcastIndices(x!.dims, dims));
};

const range: Fold = (_context, _onnx, [start, limit, delta]) => {
  const [from, to, step] = [start!.data[0]!, limit!.data[0]!, delta!.data[0]!];
  const count = Math.max(0, Math.ceil((to - from) / step));
  checkSize([count]);
  return { dims: [count], type: start!.type, data: Float64Array.from({ length: count }, (_, i) => from + i * step) };
};

/** Over all axes where none are given. */
function reduce(of: (values: readonly number[]) => number): Fold {
  return (context, onnx, [x]) => {
    const given = axesOf(context, onnx, x!.dims.length, 1);
    const axes = new Set(given?.length ? given : x!.dims.keys());
    const keep = intAttribute(onnx, "keepdims", 1) !== 0;
    const kept = x!.dims.map((n, axis) => (axes.has(axis) ? 1 : n));
    const groups = Array.from({ length: elementCount(kept) }, (): number[] => []);
    for (const [i, group] of broadcastIndices(kept, x!.dims).entries()) groups[group]!.push(x!.data[i]!);
    const dims = keep ? kept : kept.filter((_, axis) => !axes.has(axis));
    const value = isInteger(x!) ? (n: number) => Math.trunc(n) : Math.fround;
    return { dims, type: x!.type, data: Float64Array.from(groups, (values) => value(of(values))) };
  };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

export const MOVEMENT_FOLDS = {
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Range: range,
  ReduceL1: reduce((values) => sum(values.map(Math.abs))),
  ReduceL2: reduce((values) => Math.sqrt(sum(values.map((v) => v * v)))),
  ReduceMax: reduce((values) => values.reduce((a, b) => Math.max(a, b))),
  ReduceMean: reduce((values) => sum(values) / values.length),
  ReduceMin: reduce((values) => values.reduce((a, b) => Math.min(a, b))),
  ReduceProd: reduce((values) => values.reduce((a, b) => a * b, 1)),
  ReduceSum: reduce(sum),
  ReduceSumSquare: reduce((values) => sum(values.map((v) => v * v))),
  Reshape: reshape,
  Slice: slice,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
} as const satisfies Record<string, Fold>;
