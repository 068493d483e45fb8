/** Constants that a model computes, against onnxruntime: "y" is the input plus what the nodes make of constants. */
import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, int64s, node } from "../onnx/build.ts";
import { writeTensor } from "../onnx/tensor.ts";
import type { OnnxNode, OnnxTensor } from "../onnx/types.ts";

const A = floats(
  "a",
  [2, 3],
  eighths(6, 1).map((v) => Math.abs(v) + 0.5),
);
const B = floats("b", [3], [0.5, 2, 3]);
const I = writeTensor("i", "INT64", [2, 3], BigInt64Array.from([7n, -7n, 9n, 0n, 5n, -4n]));
const J = int64s("j", [2, 3, -2]);

/** Sums the constant "c" of any shape and type into the input [1, 4]. */
const intoY = [
  node("Cast", ["c"], ["float"], { to: { int: 1 } }),
  node("ReduceSum", ["float"], ["sum"], { keepdims: { int: 0 } }),
  node("Add", ["x", "sum"], ["y"]),
];

async function folds(nodes: OnnxNode[], initializers: OnnxTensor[], opset = 13) {
  const weighed = [...nodes, ...intoY];
  const graph = await expectAsOrt({ nodes: weighed, dims: ["N", 4], initializers, opset });
  expect(graph.nodes.map(({ op }) => op)).toEqual(["add"]);
}

describe("arithmetic on constants is onnxruntime's:", () => {
  it.each(["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"])("%s of floats", (op) =>
    folds([node(op, ["a", "b"], ["c"])], [A, B]),
  );
  it.each(["Add", "Sub", "Mul", "Div", "Min", "Max"])("%s of integers", (op) =>
    folds([node(op, ["i", "j"], ["c"])], [I, J]),
  );
  it.each(["Equal", "Greater", "Less"])("%s", (op) => folds([node(op, ["i", "j"], ["c"])], [I, J]));
  it.each(["Abs", "Ceil", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Round", "Sign", "Sqrt", "Identity"])(
    "%s",
    (op) => folds([node(op, ["a"], ["c"])], [A]),
  );
  it("Clip, Where, Not, Cast", async () => {
    const bounds = [floats("low", [], [1]), floats("high", [], [2])];
    await folds([node("Clip", ["a", "low", "high"], ["c"])], [A, ...bounds]);
    await folds([node("Clip", ["a"], ["c"], { min: { float: 1 } })], [A], 9);
    await folds(
      [node("Less", ["i", "j"], ["l"]), node("Not", ["l"], ["n"]), node("Where", ["n", "i", "j"], ["c"])],
      [I, J],
    );
    await folds([node("Cast", ["a"], ["c"], { to: { int: 7 } })], [A]);
    await folds([node("Cast", ["a"], ["c"], { to: { int: 9 } })], [A]);
  });
});

describe("moving constants is onnxruntime's:", () => {
  const W = floats("w", [2, 3, 4], eighths(24, 9));
  /** The order shows in a product with other values. */
  const ordered = [node("Reshape", ["m", "flat"], ["f"]), node("Mul", ["f", "u"], ["c"])];

  it.each<[string, Record<string, AttributeValue>, Record<string, number[]>, number, number]>([
    ["Transpose", { perm: { ints: [2, 0, 1] } }, {}, 24, 13],
    ["Transpose", {}, {}, 24, 13],
    ["Reshape", {}, { s: [0, -1, 2] }, 24, 13],
    ["Flatten", { axis: { int: 2 } }, {}, 24, 13],
    ["Unsqueeze", { axes: { ints: [0, -1] } }, {}, 24, 11],
    ["Unsqueeze", {}, { s: [1] }, 24, 13],
    ["Gather", { axis: { int: 1 } }, { s: [2, -3, 1, 1] }, 32, 13],
    ["Gather", { axis: { int: -1 } }, { s: [3] }, 6, 13],
    ["Slice", { starts: { ints: [1, 0] }, ends: { ints: [3, -1] }, axes: { ints: [1, 2] } }, {}, 12, 9],
    ["Slice", {}, { b: [-1, 3], e: [-(2 ** 40), 0], a: [1, 2], s: [-2, -1] }, 12, 13],
    ["Expand", {}, { s: [2, 1, 3, 4] }, 48, 13],
    ["ReduceMean", { axes: { ints: [1] } }, {}, 8, 13],
    ["ReduceL1", { axes: { ints: [1] } }, {}, 8, 13],
    ["ReduceL2", { axes: { ints: [2] } }, {}, 6, 13],
    ["ReduceSumSquare", { axes: { ints: [0] } }, {}, 12, 13],
    ["ReduceMax", { axes: { ints: [0, 2] }, keepdims: { int: 0 } }, {}, 3, 13],
    ["ReduceMin", {}, {}, 1, 13],
    ["ReduceProd", { axes: { ints: [-1] } }, {}, 6, 13],
    ["ReduceSum", {}, { s: [1] }, 8, 13],
  ])("%s %o %o", async (op, attributes, lists, count, opset) => {
    const nodes = [node(op, ["w", ...Object.keys(lists)], ["m"], attributes), ...ordered];
    const initializers = [
      W,
      int64s("flat", [-1]),
      floats("u", [count], eighths(count, 4)),
      ...Object.entries(lists).map(([name, values]) => int64s(name, values)),
    ];
    await folds(nodes, initializers, opset);
  });

  it("Squeeze, Concat, ConstantOfShape, Range", async () => {
    const row = [floats("p", [1, 3, 1], [1, 2, 3]), int64s("a", [0]), floats("r", [3, 1], [1, 10, 100])];
    await folds([node("Squeeze", ["p", "a"], ["s"]), node("Mul", ["s", "r"], ["c"])], row);
    await folds(
      [node("Concat", ["a", "a"], ["k"], { axis: { int: 1 } }), node("Mul", ["k", "r"], ["c"])],
      [A, floats("r", [2, 6], eighths(12, 2))],
    );
    const value = { tensor: floats("", [1], [2.5]) };
    await folds([node("ConstantOfShape", ["j"], ["c"], { value })], [int64s("j", [2, 3])]);
    await folds([node("ConstantOfShape", ["j"], ["c"])], [int64s("j", [2])]);
    const scalars = [1, 9, 3].map((n, i) => writeTensor(`r${i}`, "INT64", [], BigInt64Array.of(BigInt(n))));
    await folds([node("Range", ["r0", "r1", "r2"], ["c"])], scalars);
  });
});

describe("shape arithmetic", () => {
  it("of PyTorch's view(x.size(0), -1) is gone", async () => {
    const nodes = [
      node("Shape", ["x"], ["size"]),
      node("Gather", ["size", "zero"], ["batch"], { axis: { int: 0 } }),
      node("Unsqueeze", ["batch"], ["rows"], { axes: { ints: [0] } }),
      node("Concat", ["rows", "rest"], ["shape"], { axis: { int: 0 } }),
      node("Reshape", ["x", "shape"], ["y"]),
    ];
    const zero = writeTensor("zero", "INT64", [], BigInt64Array.of(0n));
    const graph = await expectAsOrt({
      nodes,
      dims: ["N", 3, 4, 5],
      initializers: [zero, int64s("rest", [-1])],
      opset: 11,
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["flatten"]);
  });

  it("of PyTorch's pad, whose list is reversed, is gone", async () => {
    const nodes = [
      node("ConstantOfShape", ["more"], ["zeros"], { value: { tensor: int64s("", [0]) } }),
      node("Concat", ["given", "zeros"], ["all"], { axis: { int: 0 } }),
      node("Reshape", ["all", "pairs"], ["rows"]),
      node("Slice", ["rows", "minus1", "end", "axis", "minus1"], ["reversed"]),
      node("Transpose", ["reversed"], ["turned"], { perm: { ints: [1, 0] } }),
      node("Reshape", ["turned", "flat"], ["long"]),
      node("Cast", ["long"], ["pads"], { to: { int: 7 } }),
      node("Pad", ["x", "pads", "value"], ["y"], { mode: { string: "constant" } }),
    ];
    const lists = { more: [4], given: [1, 2, 0, 3], pairs: [-1, 2], minus1: [-1], axis: [0], flat: [-1] };
    const initializers = Object.entries(lists).map(([name, values]) => int64s(name, values));
    const first = writeTensor("end", "INT64", [1], BigInt64Array.of(-(2n ** 63n)));
    const graph = await expectAsOrt({
      nodes,
      dims: [1, 3, 4, 5],
      initializers: [...initializers, first, floats("value", [], [0.5])],
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["pad"]);
    expect(graph.nodes[0]!.attributes).toEqual({ before: [0, 0, 1], after: [0, 3, 2], value: 0.5 });
  });

  it("Size and Shape with a range", async () => {
    await folds([node("Size", ["x"], ["c"])], []);
    await folds([node("Shape", ["x"], ["c"], { start: { int: 1 }, end: { int: 2 } })], [], 15);
  });
});

it("Constant in all of its forms", async () => {
  const forms: Record<string, AttributeValue>[] = [
    { value: { tensor: floats("", [2], [1.5, 2]) } },
    { value_float: { float: 1.5 } },
    { value_floats: { floats: [1.5, 2] } },
    { value_int: { int: 3 } },
    { value_ints: { ints: [3, 4] } },
  ];
  for (const form of forms) await folds([node("Constant", [], ["c"], form)], []);
});

it("a product of quantised weights and a factor keeps its integers", () => {
  const nodes = [
    node("Quant", ["w", "s", "z", "n"], ["q"], { narrow: { int: 0 } }),
    node("Mul", ["q", "alpha"], ["a"]),
    node("MatMul", ["x", "a"], ["y"]),
  ];
  const initializers = [
    floats("w", [2, 1], [1.1, -0.4]),
    floats("s", [], [0.25]),
    floats("z", [], [0]),
    floats("n", [], [4]),
    floats("alpha", [], [-0.3]),
  ];
  const { edge } = importModel(smallModel({ nodes, dims: [1, 2], initializers }), "m.onnx");
  expect(edge.tensors.get("a")!.grid).toEqual({ step: 0.25 * Math.fround(0.3), min: -4, max: 2 });
});

it.each<[string, OnnxNode[], OnnxTensor[], RegExp]>([
  [
    "a constant without end",
    [node("ConstantOfShape", ["j"], ["c"])],
    [int64s("j", [1 << 20, 1 << 20])],
    /its result would have the shape/,
  ],
  [
    "a shape below zero",
    [node("ConstantOfShape", ["j"], ["c"])],
    [int64s("j", [-5])],
    /its result would have the shape \[-5\]/,
  ],
  [
    "an index that there is not",
    [node("Gather", ["a", "j"], ["c"])],
    [A, int64s("j", [2])],
    /its indices do not lie in the 2 elements/,
  ],
  ["integers divided by 0", [node("Div", ["i", "j"], ["c"])], [I, int64s("j", [1, 0, 1])], /it divides integers by 0/],
  ["shapes that do not broadcast", [node("Add", ["a", "b"], ["c"])], [A, floats("b", [2], [1, 2])], /do not broadcast/],
  ["a cast to text", [node("Cast", ["a"], ["c"], { to: { int: 8 } })], [A], /it casts to STRING/],
  ["a constant without a value", [node("Constant", [], ["c"])], [], /it holds no tensor or numbers/],
  [
    "parts that do not fit",
    [node("Concat", ["a", "b"], ["c"], { axis: { int: 0 } })],
    [A, B],
    /its inputs have the shapes/,
  ],
  ["functions of the sample", [node("Exp", ["x"], ["c"])], [], /it compiles on constants only/],
  [
    "many large constants",
    Array.from({ length: 3 }, (_, i) => node("Add", [i ? `t${i - 1}` : "r", "k"], [i < 2 ? `t${i}` : "c"])),
    [floats("r", [1, 1 << 11], new Float32Array(1 << 11)), floats("k", [1 << 11, 1], new Float32Array(1 << 11))],
    /constants of more than \d+ elements/,
  ],
])("refuses %s", (_, nodes, initializers, message) => {
  const small = { nodes: [...nodes, ...intoY], dims: [1, 4], initializers };
  expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
});
