/** Arithmetic on constants: shapes as exporters compute them, and weights that are computed from others. Floats as in float32. */
import { broadcastDims, broadcastIndices, checkSize, isInteger } from "../constant.ts";
import { floatAttribute, intAttribute } from "../onnx/attributes.ts";
import type { DataTypeName } from "../onnx/tensor.ts";
import { dataTypeName } from "../onnx/tensor.ts";
import { Unsupported } from "../onnx/unsupported.ts";
import type { Fold } from "./fold.ts";

/** Values of a type: whole numbers stay whole, floats are those of float32. */
function typed(type: DataTypeName, value: number): number {
  if (type === "BOOL") return value === 0 ? 0 : 1;
  if (type === "DOUBLE") return value;
  return type === "FLOAT" || type === "FLOAT16" ? Math.fround(value) : Math.trunc(value);
}

/** @param keepsSteps whether a product's operand of integers times a step stays one, the step times the other operand */
function binary(compute: (a: number, b: number) => number, resultType?: "BOOL", keepsSteps = false): Fold {
  return (_context, _onnx, [a, b]) => {
    const [x, y] = [a!, b!];
    const dims = checkSize(broadcastDims(x.dims, y.dims));
    const [i, j] = [broadcastIndices(x.dims, dims), broadcastIndices(y.dims, dims)];
    const type = resultType ?? x.type;
    const data = new Float64Array(i.length);
    for (let n = 0; n < data.length; n++) data[n] = typed(type, compute(x.data[i[n]!]!, y.data[j[n]!]!));
    if (!keepsSteps || !x.steps === !y.steps) return { dims, data, type };
    const steps = Float64Array.from(i, (at, n) =>
      x.steps ? x.steps[at]! * Math.abs(y.data[j[n]!]!) : y.steps![j[n]!]! * Math.abs(x.data[at]!),
    );
    if (!steps.every((step) => step > 0 && Number.isFinite(step))) return { dims, data, type };
    // In doubles, so that the integers stay exact.
    const exact = Float64Array.from(i, (at, n) => compute(x.data[at]!, y.data[j[n]!]!));
    return { dims, data: exact, type, steps };
  };
}

function unary(compute: (x: number) => number): Fold {
  return (_context, _onnx, [x]) => {
    const { dims, data, type } = x!;
    return { dims, type, data: data.map((value) => typed(type, compute(value))) };
  };
}

const divide: Fold = (context, onnx, inputs) => {
  if (isInteger(inputs[0]!) && inputs[1]!.data.includes(0))
    throw new Unsupported("it divides integers by 0", "Correct the model.", "H205");
  return binary((a, b) => a / b)(context, onnx, inputs);
};

const cast: Fold = (_context, onnx, [x]) => {
  const type = dataTypeName(intAttribute(onnx, "to", 0));
  const known = ["FLOAT", "DOUBLE", "BOOL", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64"];
  if (!known.includes(type)) throw new Unsupported(`it casts to ${type}`, "Cast to float32 or integers.");
  const same = x!.type === type;
  return same
    ? x!
    : { dims: x!.dims, type: type as DataTypeName, data: x!.data.map((v) => typed(type as DataTypeName, v)) };
};

const clip: Fold = (_context, onnx, [x, low, high]) => {
  const min = low?.data[0] ?? floatAttribute(onnx, "min", Number.NEGATIVE_INFINITY);
  const max = high?.data[0] ?? floatAttribute(onnx, "max", Number.POSITIVE_INFINITY);
  return { dims: x!.dims, type: x!.type, data: x!.data.map((v) => Math.min(Math.max(v, min), max)) };
};

const where: Fold = (_context, _onnx, [condition, a, b]) => {
  const dims = checkSize(broadcastDims(condition!.dims, broadcastDims(a!.dims, b!.dims)));
  const [c, i, j] = [condition!, a!, b!].map(({ dims: own }) => broadcastIndices(own, dims));
  const data = Float64Array.from(c!, (at, n) => (condition!.data[at] ? a!.data[i![n]!]! : b!.data[j![n]!]!));
  return { dims, data, type: a!.type };
};

const same: Fold = (_context, _onnx, [x]) => x!;

function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

export const ELEMENTWISE_FOLDS = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b, undefined, true),
  Div: divide,
  Pow: binary((a, b) => a ** b),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Equal: binary((a, b) => Number(a === b), "BOOL"),
  Greater: binary((a, b) => Number(a > b), "BOOL"),
  Less: binary((a, b) => Number(a < b), "BOOL"),
  Abs: unary(Math.abs),
  Ceil: unary(Math.ceil),
  Exp: unary(Math.exp),
  Floor: unary(Math.floor),
  Log: unary(Math.log),
  Neg: unary((x) => -x),
  Not: unary((x) => (x === 0 ? 1 : 0)),
  Reciprocal: unary((x) => 1 / x),
  Relu: unary((x) => Math.max(x, 0)),
  Round: unary(roundHalfEven),
  Sign: unary(Math.sign),
  Sqrt: unary(Math.sqrt),
  Cast: cast,
  Clip: clip,
  Dropout: same,
  Identity: same,
  Where: where,
} as const satisfies Record<string, Fold>;
