import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, int64s, node } from "../onnx/build.ts";
import type { OnnxNode } from "../onnx/types.ts";

const NHWC = { perm: { ints: [0, 2, 3, 1] } };
const NCHW = { perm: { ints: [0, 3, 1, 2] } };
const ops = (graph: { nodes: readonly { op: string }[] }) => graph.nodes.map(({ op }) => op);

/** Nodes that read "x"; the last of them makes "y". Constants are int64 lists by name. */
const CASES: [string, number[], OnnxNode[], Record<string, number[]>, number][] = [
  ["Reshape to a vector", [1, 3, 4, 5], [node("Reshape", ["x", "s"], ["y"])], { s: [1, -1] }, 13],
  ["Reshape with zeros", [1, 3, 4, 5], [node("Reshape", ["x", "s"], ["y"])], { s: [0, 0, -1] }, 13],
  ["Reshape to four axes", [1, 60], [node("Reshape", ["x", "s"], ["y"])], { s: [-1, 3, 4, 5] }, 13],
  ["Reshape without a batch", [1, 60], [node("Reshape", ["x", "s"], ["y"])], { s: [12, 5] }, 13],
  ["Flatten", [1, 3, 4, 5], [node("Flatten", ["x"], ["y"])], {}, 13],
  ["Flatten at the end", [1, 3, 4, 5], [node("Flatten", ["x"], ["y"], { axis: { int: -1 } })], {}, 13],
  ["Squeeze", [1, 3, 1, 5], [node("Squeeze", ["x", "a"], ["y"])], { a: [2] }, 13],
  ["Squeeze by an attribute", [1, 3, 1, 5], [node("Squeeze", ["x"], ["y"], { axes: { ints: [-2] } })], {}, 11],
  ["Squeeze of all", [1, 3, 1, 1], [node("Squeeze", ["x"], ["y"])], {}, 13],
  ["Unsqueeze", [1, 3, 5], [node("Unsqueeze", ["x", "a"], ["y"])], { a: [2] }, 13],
  ["Unsqueeze by an attribute", [1, 5], [node("Unsqueeze", ["x"], ["y"], { axes: { ints: [-1, 2] } })], {}, 11],
  ["Transpose", [1, 3, 4, 5], [node("Transpose", ["x"], ["y"], NHWC)], {}, 13],
  ["Transpose of a signal", [1, 3, 5], [node("Transpose", ["x"], ["y"], { perm: { ints: [0, 2, 1] } })], {}, 13],
  ["Transpose of the batch", [1, 3, 4, 5], [node("Transpose", ["x"], ["y"], { perm: { ints: [2, 0, 1, 3] } })], {}, 13],
  ["Transpose in reverse", [1, 3, 4, 5], [node("Transpose", ["x"], ["y"])], {}, 13],
  [
    "Transpose behind Reshape behind Transpose",
    [1, 3, 4, 5],
    [
      node("Transpose", ["x"], ["t"], NHWC),
      node("Reshape", ["t", "s"], ["r"]),
      node("Transpose", ["r"], ["y"], { perm: { ints: [0, 2, 1] } }),
    ],
    { s: [1, 20, 3] },
    13,
  ],
  [
    "Slice",
    [1, 3, 8, 9],
    [node("Slice", ["x", "b", "e", "a", "s"], ["y"])],
    { b: [1, -3], e: [8, 2 ** 31], a: [2, 3], s: [2, 1] },
    13,
  ],
  [
    "Slice by attributes",
    [1, 3, 8],
    [node("Slice", ["x"], ["y"], { starts: { ints: [1] }, ends: { ints: [-1] }, axes: { ints: [1] } })],
    {},
    9,
  ],
  [
    "Slice of nothing but all",
    [1, 3],
    [node("Slice", ["x", "b", "e"], ["s"]), node("Neg", ["c"], ["n"]), node("Mul", ["s", "n"], ["y"])],
    { b: [0, 0], e: [1, 3] },
    13,
  ],
  [
    "Slice with channels last",
    [1, 3, 8, 9],
    [node("Transpose", ["x"], ["t"], NHWC), node("Slice", ["t", "b", "e", "a"], ["y"])],
    { b: [1, 2], e: [3, 7], a: [3, 1] },
    13,
  ],
  [
    "Concat",
    [1, 3, 4, 5],
    [node("Relu", ["x"], ["r"]), node("Concat", ["x", "r", "x"], ["y"], { axis: { int: 1 } })],
    {},
    13,
  ],
  [
    "Concat of vectors",
    [1, 33],
    [node("Relu", ["x"], ["r"]), node("Concat", ["x", "r"], ["y"], { axis: { int: -1 } })],
    {},
    13,
  ],
  [
    "Concat with channels last",
    [1, 3, 4, 5],
    [
      node("Transpose", ["x"], ["t"], NHWC),
      node("Relu", ["t"], ["r"]),
      node("Concat", ["t", "r"], ["y"], { axis: { int: 3 } }),
    ],
    {},
    13,
  ],
  [
    "Concat of tensors that lie differently",
    [1, 4, 4, 4],
    [node("Transpose", ["x"], ["t"], NHWC), node("Concat", ["t", "x"], ["y"], { axis: { int: 2 } })],
    {},
    13,
  ],
  ["Pad", [1, 3, 4, 5], [node("Pad", ["x", "p", "v"], ["y"])], { p: [0, 1, 2, 0, 0, 0, 1, 3], v: [7] }, 13],
  [
    "Pad by attributes",
    [1, 3, 4, 5],
    [node("Pad", ["x"], ["y"], { pads: { ints: [0, 0, 1, 1, 0, 0, 1, 1] }, value: { float: -1 } })],
    {},
    10,
  ],
  ["Pad along axes", [1, 3, 4, 5], [node("Pad", ["x", "p", "", "a"], ["y"])], { p: [1, 2], a: [-1] }, 18],
  ["Pad of a vector", [1, 33], [node("Pad", ["x", "p"], ["y"])], { p: [0, 2, 0, 1] }, 13],
  [
    "Pad with channels last",
    [1, 3, 4, 5],
    [node("Transpose", ["x"], ["t"], NHWC), node("Pad", ["t", "p"], ["y"])],
    { p: [0, 1, 0, 0, 0, 0, 2, 0] },
    13,
  ],
];

describe("moving values is what onnxruntime does:", () => {
  it.each(CASES)("%s", async (_, dims, nodes, lists, opset) => {
    const initializers = Object.entries(lists).map(([name, values]) =>
      name === "v" ? floats("v", [], values) : int64s(name, values),
    );
    await expectAsOrt({ nodes, dims, initializers: [...initializers, floats("c", [], [1])], opset });
  });
});

it("constants stand among what is joined", async () => {
  const zeros = floats("zeros", [1, 2, 4, 5], new Float32Array(40));
  const nodes = [node("Relu", ["x"], ["r"]), node("Concat", ["zeros", "r", "zeros"], ["y"], { axis: { int: 1 } })];
  const graph = await expectAsOrt({ nodes, dims: [1, 3, 4, 5], initializers: [zeros] });
  expect(graph.nodes[1]!.inputs).toEqual(["zeros", "r", "zeros"]);
  const last = [node("Transpose", ["r"], ["t"], NHWC), node("Concat", ["t", "zeros"], ["y"], { axis: { int: 3 } })];
  const shape = floats("zeros", [1, 4, 5, 1], eighths(20, 8));
  await expectAsOrt({ nodes: [nodes[0]!, ...last], dims: [1, 3, 4, 5], initializers: [shape] });
});

it("a slice of a slice is one slice", async () => {
  const nodes = [
    node("Slice", ["x", "b", "e", "a", "s"], ["rows"]),
    node("Slice", ["rows", "b", "e", "c", "s"], ["both"]),
    node("Slice", ["both", "b", "e", "a", "s"], ["y"]),
  ];
  const lists = { b: [1], e: [2 ** 40], a: [2], c: [3], s: [2] };
  const initializers = Object.entries(lists).map(([name, values]) => int64s(name, values));
  const graph = await expectAsOrt({ nodes, dims: [1, 3, 11, 9], initializers });
  expect(ops(graph)).toEqual(["slice"]);
  expect(graph.nodes[0]!.attributes).toEqual({ starts: [0, 3, 1], ends: [3, 8, 8], steps: [1, 4, 2] });
});

describe("channels last", () => {
  const weights = () => floats("w", [3, 3, 3, 3], eighths(81, 7));
  const bias = () => floats("b", [3], [1, 2, 3]);

  it("dissolve around operators that ask for no layout", async () => {
    const nodes = [
      node("Conv", ["x", "w"], ["c"]),
      node("Transpose", ["c"], ["t"], NHWC),
      node("Add", ["t", "b"], ["a"]),
      node("Relu", ["a"], ["r"]),
      node("Transpose", ["r"], ["u"], NCHW),
      node("Conv", ["u", "w"], ["y"]),
    ];
    const graph = await expectAsOrt({ nodes, dims: [1, 3, 7, 9], initializers: [weights(), bias()] });
    expect(ops(graph)).toEqual(["conv", "add", "relu", "conv"]);
    expect(graph.nodes[1]!.inputs).toEqual(["c", "b"]);
  });

  it("at the input turn the input", async () => {
    const nodes = [node("Transpose", ["x"], ["t"], NCHW), node("Conv", ["t", "w"], ["y"])];
    const graph = await expectAsOrt({ nodes, dims: ["N", 7, 9, 3], initializers: [weights()] });
    expect(ops(graph)).toEqual(["conv"]);
    expect(importModel(smallModel({ nodes, dims: [1, 7, 9, 3], initializers: [weights()] }), "m.onnx").input).toEqual({
      name: "x",
      dims: [1, 7, 9, 3],
      layout: "HWC",
    });
  });

  it("in front of a fully connected layer turn its weights", async () => {
    const nodes = [
      node("Relu", ["x"], ["r"]),
      node("Transpose", ["r"], ["t"], NHWC),
      node("Reshape", ["t", "s"], ["f"]),
      node("MatMul", ["f", "w"], ["y"]),
    ];
    const initializers = [int64s("s", [-1, 60]), floats("w", [60, 4], eighths(240, 3))];
    const graph = await expectAsOrt({ nodes, dims: [1, 3, 4, 5], initializers });
    expect(ops(graph)).toEqual(["relu", "flatten", "gemm"]);
  });

  it("that an output shows stay", async () => {
    const nodes = [node("Relu", ["x"], ["r"]), node("Transpose", ["r"], ["y"], NHWC)];
    const graph = await expectAsOrt({ nodes, dims: [1, 3, 4, 5] });
    expect(ops(graph)).toEqual(["relu", "transpose"]);
    expect(graph.tensors.get("y")!.shape).toEqual([4, 5, 3]);
  });
});

it("a tensor that bears a name of the file holds the same elements in the same order", async () => {
  const nodes = [
    node("GlobalAveragePool", ["x"], ["g"]),
    node("Flatten", ["g"], ["f"]),
    node("MatMul", ["f", "w"], ["m"]),
    node("Identity", ["m"], ["y"]),
  ];
  const graph = await expectAsOrt({
    nodes,
    dims: [1, 3, 4, 4],
    initializers: [floats("w", [3, 2], [1, 2, 3, 4, 5, 6])],
  });
  expect(graph.nodes.map(({ output }) => output)).toEqual(["g", "f", "y"]);
});

it.each<[string, string, Record<string, AttributeValue>, Record<string, number[]>, RegExp]>([
  ["a shape of other elements", "Reshape", {}, { s: [1, 7] }, /it gives \[1,3,4,5\] the shape \[1,7\]/],
  ["a shape with two -1", "Reshape", {}, { s: [-1, -1] }, /the shape \[-1,-1\]/],
  ["a batch that is fixed", "Reshape", {}, { s: [32, -1] }, /batch 1/],
  ["dropping an axis that has elements", "Squeeze", {}, { a: [1] }, /it drops axis 1 of/],
  ["a perm that is none", "Transpose", { perm: { ints: [0, 1, 1, 2] } }, {}, /its perm \[0,1,1,2\]/],
  ["padding the batch", "Pad", {}, { p: [1, 0, 0, 0, 0, 0, 0, 0] }, /it pads the batch/],
  ["cropping", "Pad", {}, { p: [0, -1, 0, 0, 0, 0, 0, 0] }, /it crops/],
  ["too few pads", "Pad", {}, { p: [0, 0] }, /2 pads for 4 axes/],
  ["mirrors", "Pad", { mode: { string: "reflect" } }, { p: [0, 0, 1, 1, 0, 0, 1, 1] }, /its mode is "reflect"/],
  ["padding without end", "Pad", {}, { p: [0, 0, 1e9, 1e9, 0, 0, 0, 0] }, /its result would have the shape/],
  ["slicing the batch away", "Slice", {}, { b: [1], e: [2] }, /it slices the batch|nothing is left/],
  ["slicing backwards", "Slice", {}, { b: [-1], e: [0], a: [2], s: [-1] }, /it reverses an axis/],
  ["steps of none", "Slice", {}, { b: [0], e: [1], a: [2], s: [0] }, /starts/],
  ["joining along the batch", "Concat", { axis: { int: 0 } }, { x: [] }, /it works along the batch/],
])("refuses %s", (_, op, attributes, lists, message) => {
  const names = Object.keys(lists);
  const initializers = names.filter((name) => name !== "x").map((name) => int64s(name, lists[name]!));
  const small = { nodes: [node(op, ["x", ...names], ["y"], attributes)], dims: [1, 3, 4, 5], initializers };
  expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
});
