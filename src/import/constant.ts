/** Constants of a model: initialisers, and what is computed from them. */
import { elementCount } from "../graph/graph.ts";
import { indicesOf, stridesOf } from "../graph/operators/indices.ts";
import type { DataTypeName } from "./onnx/tensor.ts";
import { Unsupported } from "./onnx/unsupported.ts";

export interface Constant {
  readonly dims: readonly number[];
  /** Row-major. */
  readonly data: Float64Array;
  readonly type: DataTypeName;
  /** Behind a quantiser: for each element the step of which it is an integer multiple. */
  readonly steps?: Float64Array;
}

/** Elements of the largest constant that is computed here: weights of a few megabytes. */
const MAX_ELEMENTS = 1 << 22;

export function isInteger({ type }: Constant): boolean {
  return type !== "FLOAT" && type !== "DOUBLE" && type !== "FLOAT16";
}

export function floatConstant(dims: readonly number[], data: Float64Array, steps?: Float64Array): Constant {
  return { dims, data, type: "FLOAT", ...(steps && { steps }) };
}

/** A one-dimensional constant of integers: what shapes are. */
export function int64Constant(values: readonly number[]): Constant {
  return { dims: [values.length], data: Float64Array.from(values), type: "INT64" };
}

/** @throws Unsupported for more elements than a tensor may have */
export function checkSize(dims: readonly number[]): readonly number[] {
  const valid = dims.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!valid || elementCount(dims) > MAX_ELEMENTS)
    throw new Unsupported(`its result would have the shape [${dims}]`, "Use smaller constants.", "H210");
  return dims;
}

/** The constant that has the elements of `source` at `indices`; steps go along. */
export function gathered(source: Constant, dims: readonly number[], indices: ArrayLike<number>): Constant {
  const pick = (values: Float64Array) => {
    const picked = new Float64Array(indices.length);
    for (let i = 0; i < picked.length; i++) picked[i] = values[indices[i]!]!;
    return picked;
  };
  const { data, steps, type } = source;
  return { dims, type, data: pick(data), ...(steps && { steps: pick(steps) }) };
}

/** The shape of two operands together: axes are matched from the last, and those of one element repeat. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      throw new Unsupported(
        `its shapes [${a}] and [${b}] do not broadcast`,
        "Correct the shapes in the model.",
        "H203",
      );
    return x === 1 ? y : x;
  });
}

/** For each element of `dims`, row-major: the index of the element of a constant with dimensions `own` that is repeated there. */
export function broadcastIndices(own: readonly number[], dims: readonly number[]): Int32Array {
  const aligned = [...new Array<number>(Math.max(0, dims.length - own.length)).fill(1), ...own];
  if (aligned.length > dims.length || aligned.some((n, axis) => n !== 1 && n !== dims[axis]))
    throw new Unsupported(
      `its constant has the shape [${own}] for a tensor of [${dims}]`,
      "Use a single value, or one per channel.",
    );
  const strides = stridesOf(aligned).map((stride, axis) => (aligned[axis] === 1 ? 0 : stride));
  return indicesOf(dims, strides);
}

/** The one value of all, or undefined when they differ. */
export function commonValue(values: ArrayLike<number>): number | undefined {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return undefined;
  return values[0];
}

/** @throws Unsupported for infinities and what is no number */
export function checkFinite({ data }: Constant, role: string): void {
  if (!data.every(Number.isFinite))
    throw new Unsupported(`its ${role} holds a value that is not finite`, "Train the model again.", "H205");
}
