import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, node } from "../onnx/build.ts";

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
/** Without zeros, which Div does not want. */
const operand = (dims: readonly number[]) =>
  floats(
    "c",
    dims,
    eighths(product(dims), 3).map((v) => v || 1),
  );

describe.each(["Add", "Sub", "Mul", "Div"])("%s", (op) => {
  it.each<[number[], number[]]>([
    [[1, 3, 4, 5], []],
    [[1, 3, 4, 5], [1]],
    [
      [1, 3, 4, 5],
      [3, 1, 1],
    ],
    [
      [1, 3, 4, 5],
      [1, 3, 1, 1],
    ],
    [
      [1, 3, 4, 5],
      [3, 4, 5],
    ],
    [
      [1, 3, 4, 5],
      [4, 5],
    ],
    [
      [1, 3, 4, 5],
      [1, 5],
    ],
    [
      [1, 33, 7],
      [33, 1],
    ],
    [[1, 65], [65]],
    [
      [1, 65],
      [1, 65],
    ],
    [[1, 1], [1]],
  ])("of [%s] and a constant [%s], on either side, is onnxruntime's", async (dims, constant) => {
    const initializers = [operand(constant)];
    await expectAsOrt({ nodes: [node(op, ["x", "c"], ["y"])], dims, initializers });
    const positive = [node("Relu", ["x"], ["r"]), node("Add", ["r", "one"], ["p"])];
    await expectAsOrt({
      nodes: [...positive, node(op, ["c", "p"], ["y"])],
      dims,
      initializers: [...initializers, floats("one", [], [1])],
    });
  });

  it("of two tensors, however they lie, is onnxruntime's", async () => {
    const shift = floats("one", [], [9]);
    const last = { perm: { ints: [0, 2, 3, 1] } };
    const nodes = [node("Add", ["x", "one"], ["p"]), node(op, ["x", "p"], ["y"])];
    await expectAsOrt({ nodes, dims: [1, 3, 4, 5], initializers: [shift] });
    const turned = [
      node("Add", ["x", "one"], ["p"]),
      node("Transpose", ["x"], ["a"], last),
      node("Transpose", ["p"], ["b"], last),
      node(op, ["a", "b"], ["y"]),
    ];
    const graph = await expectAsOrt({ nodes: turned, dims: [1, 3, 4, 5], initializers: [shift] });
    expect(graph.nodes.filter(({ op: each }) => each === "transpose")).toHaveLength(1);
    const mixed = [
      node("Add", ["x", "one"], ["p"]),
      node("Transpose", ["x"], ["a"], { perm: { ints: [0, 1, 3, 2] } }),
      node(op, ["a", "p"], ["y"]),
    ];
    await expectAsOrt({ nodes: mixed, dims: [1, 3, 4, 4], initializers: [shift] });
  });

  it("of a map and a value per channel that is computed is onnxruntime's", async () => {
    const nodes = [
      node("GlobalAveragePool", ["x"], ["g"]),
      node("Add", ["g", "c"], ["s"]),
      node(op, ["x", "s"], ["y"]),
    ];
    await expectAsOrt({ nodes, dims: [1, 3, 4, 4], initializers: [floats("c", [], [9])] });
  });

  it("refuses shapes that do not fit, and constants that are no numbers", () => {
    const of = (dims: number[], values: number[]) => () =>
      importModel(
        smallModel({
          nodes: [node(op, ["x", "c"], ["y"])],
          dims: [1, 3, 4, 5],
          initializers: [floats("c", dims, values)],
        }),
        "m.onnx",
      );
    expect(of([2], [1, 2])).toThrow(/shapes \[1,3,4,5\] and \[2\] do not broadcast/);
    expect(of([2, 1, 1, 1], [1, 2])).toThrow(/its constant has the shape \[2,1,1,1\]/);
    expect(of([1], [Number.NaN])).toThrow(/its constant holds a value that is not finite/);
  });
});

it("a division by powers of two is a multiplication, and stays on the grid", async () => {
  const quantised = [
    node("Quant", ["x", "s", "z", "b"], ["q"], { narrow: { int: 0 } }),
    node("Div", ["q", "c"], ["y"]),
  ];
  const parameters = [floats("s", [], [0.125]), floats("z", [], [0]), floats("b", [], [8])];
  const graph = await expectAsOrt({
    nodes: quantised,
    dims: [1, 2, 2, 2],
    initializers: [...parameters, floats("c", [2, 1, 1], [4, 0.5])],
  });
  expect(graph.nodes.map(({ op }) => op)).toEqual(["quant", "mul"]);
  expect(graph.tensors.get("y")!.grid!.step).toBe(2 ** -5);
  const by3 = await expectAsOrt({
    nodes: quantised,
    dims: [1, 4],
    initializers: [...parameters, floats("c", [], [3])],
  });
  expect(by3.nodes[1]!.op).toBe("div");
  expect(by3.tensors.get("y")!.grid).toEqual({ step: 0.125 / 3, min: -128, max: 127 });
});

describe("functions of one value", () => {
  it.each<[string, Record<string, AttributeValue>, number, [string, number][]]>([
    ["Relu", {}, 13, []],
    ["Sign", {}, 13, []],
    ["Identity", {}, 13, []],
    ["HardSigmoid", {}, 13, []],
    ["HardSigmoid", { alpha: { float: 0.5 }, beta: { float: 0.25 } }, 13, []],
    ["Clip", { min: { float: -1 }, max: { float: 2.5 } }, 9, []],
    ["Clip", { max: { float: 0.5 } }, 9, []],
    [
      "Clip",
      {},
      13,
      [
        ["low", -1.5],
        ["high", 1],
      ],
    ],
    [
      "Clip",
      {},
      13,
      [
        ["", 0],
        ["high", 1],
      ],
    ],
    ["Clip", {}, 13, [["low", 0.25]]],
    ["Clip", {}, 13, []],
    ["Dropout", { ratio: { float: 0.5 } }, 9, []],
    ["Dropout", {}, 13, [["ratio", 0.5]]],
    ["Cast", { to: { int: 1 } }, 13, []],
  ])("%s %o of operator set %i is onnxruntime's", async (op, attributes, opset, inputs) => {
    const initializers = inputs.filter(([name]) => name !== "").map(([name, of]) => floats(name, [], [of]));
    // An Identity alone would be no node.
    const nodes = [node("Neg", ["one"], ["minus"]), node("Mul", ["x", "minus"], ["m"])];
    await expectAsOrt({
      nodes: [...nodes, node(op, ["m", ...inputs.map(([name]) => name)], ["y"], attributes)],
      dims: ["N", 3, 4, 4],
      initializers: [...initializers, floats("one", [], [1])],
      opset,
    });
  });

  it.each<[string, string, Record<string, AttributeValue>, string[], RegExp]>([
    ["a bound that is computed", "Clip", {}, ["x"], /its min is not a constant/],
    ["a bound that is no number", "Clip", {}, ["nan"], /its bounds are NaN/],
    ["a factor that is no number", "HardSigmoid", { alpha: { float: Number.NaN } }, [], /its alpha is NaN/],
    ["a cast that rounds", "Cast", { to: { int: 6 } }, [], /does not hold every value/],
    ["a cast to halves", "Cast", { to: { int: 10 } }, [], /does not hold every value/],
    ["training", "Dropout", {}, ["ratio", "training"], /its training mode is 1/],
    ["an attribute that nobody knows", "Relu", { slope: { float: 1 } }, [], /its attribute "slope" is not known/],
  ])("refuses %s", (_, op, attributes, inputs, message) => {
    const initializers = [floats("nan", [], [Number.NaN]), floats("ratio", [], [0.5]), floats("training", [], [1])];
    const small = { nodes: [node(op, ["x", ...inputs], ["y"], attributes)], dims: [1, 4], initializers };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
  });
});
