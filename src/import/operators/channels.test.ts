import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, node } from "../onnx/build.ts";

function parameters(channels: number) {
  const values = (seed: number) => eighths(channels, seed);
  return [
    floats("gamma", [channels], values(1)),
    floats("beta", [channels], values(2)),
    floats("mean", [channels], values(3)),
    floats(
      "variance",
      [channels],
      values(4).map((v) => Math.abs(v) + 0.5),
    ),
  ];
}
const NAMES = ["gamma", "beta", "mean", "variance"];

describe("BatchNormalization", () => {
  it.each([[[1, 65]], [[1, 3, 9]], [[1, 33, 4, 5]], [[1, 1, 1, 1]]])("of [%s] is onnxruntime's", async (dims) => {
    const nodes = [node("BatchNormalization", ["x", ...NAMES], ["y"], { epsilon: { float: 0.01 } })];
    await expectAsOrt({ nodes, dims, initializers: parameters(dims[1]!) });
  });

  it("behind a pooling that was flattened works on the pooled map", async () => {
    const nodes = [
      node("GlobalAveragePool", ["x"], ["g"]),
      node("Flatten", ["g"], ["f"]),
      node("BatchNormalization", ["f", ...NAMES], ["y"]),
    ];
    const graph = await expectAsOrt({ nodes, dims: [1, 3, 4, 4], initializers: parameters(3) });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["averagePool", "batchNorm", "flatten"]);
  });

  it.each<[string, string, number[], RegExp]>([
    ["a variance below zero", "variance", [1, -1, 1], /a variance plus epsilon is not positive/],
    ["a mean that is no number", "mean", [1, Number.NaN, 1], /its mean holds a value that is not finite/],
    ["too few scales", "gamma", [1, 2], /"gamma" has 2 values for 3 channels/],
  ])("refuses %s", (_, name, values, message) => {
    const changed = parameters(3).map((each) => (each.name === name ? floats(name, [values.length], values) : each));
    const small = {
      nodes: [node("BatchNormalization", ["x", ...NAMES], ["y"])],
      dims: [1, 3, 4],
      initializers: changed,
    };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
  });

  it("refuses training", () => {
    const attributes = { training_mode: { int: 1 } };
    const small = {
      nodes: [node("BatchNormalization", ["x", ...NAMES], ["y"], attributes)],
      dims: [1, 3],
      initializers: parameters(3),
    };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(/its training_mode is 1/);
  });
});

describe("Softmax", () => {
  it.each<[number[], number, number | undefined]>([
    [[1, 65], 13, undefined],
    [[1, 65], 11, undefined],
    [[1, 5, 4, 3], 13, 1],
    [[1, 5, 4, 3], 13, -1],
    [[1, 5, 4, 3], 13, 2],
    [[1, 5, 4, 3], 11, 1],
    [[1, 5, 4, 3], 11, 3],
    [[1, 5, 9], 13, 1],
  ])("of [%s] in operator set %i along %s is onnxruntime's", async (dims, opset, axis) => {
    const attributes: Record<string, AttributeValue> = axis === undefined ? {} : { axis: { int: axis } };
    await expectAsOrt({ nodes: [node("Softmax", ["x"], ["y"], attributes)], dims, opset });
  });

  it("along several axes at once is refused, unless they are all", () => {
    const small = { nodes: [node("Softmax", ["x"], ["y"], { axis: { int: 2 } })], dims: [1, 5, 4, 3], opset: 11 };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(/along several axes of \[1,5,4,3\]/);
    const batch = { nodes: [node("Softmax", ["x"], ["y"], { axis: { int: 0 } })], dims: [1, 5, 4, 3] };
    expect(() => importModel(smallModel(batch), "m.onnx")).toThrow(/it works along axis 0/);
  });

  it("LogSoftmax stands for it at the end, and only there", () => {
    const end = { nodes: [node("LogSoftmax", ["x"], ["y"])], dims: [1, 5] };
    expect(importModel(smallModel(end), "m.onnx").edge.nodes[0]!.op).toBe("softmax");
    const inside = { nodes: [node("LogSoftmax", ["x"], ["l"]), node("Relu", ["l"], ["y"])], dims: [1, 5] };
    expect(() => importModel(smallModel(inside), "m.onnx")).toThrow(/it is not the model's output/);
  });
});

describe("ArgMax", () => {
  it.each<[number[], number, number]>([
    [[1, 65], 1, 1],
    [[1, 65], -1, 0],
    [[1, 5, 4, 3], 1, 1],
    [[1, 5, 4, 3], 3, 0],
    [[1, 5, 9], 1, 0],
  ])("of [%s] along %i, keepdims %i, is onnxruntime's, of equal values the first", async (dims, axis, keep) => {
    const nodes = [
      node("ArgMax", ["x"], ["i"], { axis: { int: axis }, keepdims: { int: keep } }),
      node("Cast", ["i"], ["y"], { to: { int: 1 } }),
    ];
    const graph = await expectAsOrt({ nodes, dims });
    expect(graph.tensors.get("y")!.grid!.min).toBe(0);
  });

  it("may be cast to integers that hold every index, and to no others", () => {
    const of = (to: number, classes: number) =>
      importModel(
        smallModel({
          nodes: [node("ArgMax", ["x"], ["i"], { axis: { int: 1 } }), node("Cast", ["i"], ["y"], { to: { int: to } })],
          dims: [1, classes],
        }),
        "m.onnx",
      );
    expect(of(3, 128).edge.nodes).toHaveLength(1);
    expect(() => of(3, 129)).toThrow(/does not hold every value/);
  });

  it("refuses the last of equal values", () => {
    const last = { axis: { int: 1 }, select_last_index: { int: 1 } };
    const small = { nodes: [node("ArgMax", ["x"], ["y"], last)], dims: [1, 5] };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(/its select_last_index is 1/);
  });
});
