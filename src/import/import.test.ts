/** What is imported of a model: its edge part, all of it, or what options cut out. */
import { describe, expect, it } from "vitest";
import { smallModel } from "../../test/support/against-ort.ts";
import { HedgeError } from "../errors.ts";
import { hybridModel, smallShape } from "../zoo/hybrid.ts";
import { UnsupportedNodes } from "./build-graph.ts";
import { importModel } from "./import.ts";
import { attribute, floats, node, value } from "./onnx/build.ts";
import type { OnnxModel } from "./onnx/types.ts";
import { parseExit, parseInput } from "./options.ts";
import { STANDARD_OPERATORS } from "./registry.ts";

const hybrid = () => hybridModel(smallShape());
const withoutMetadata = (onnx: OnnxModel): OnnxModel => ({ ...onnx, metadataProps: [] });
const EXIT = { logits: "exit_logits", rule: "entropy", threshold: 0.25 } as const;

function refusal(run: () => unknown): HedgeError {
  try {
    run();
  } catch (error) {
    if (error instanceof HedgeError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a hybrid model", () => {
  it("has the outputs that its metadata names", () => {
    const { metadata, edge, input, nodes } = importModel(hybrid(), "m.onnx");
    expect(edge.outputs).toEqual(["exit_logits", "payload"]);
    expect(edge.tensors.get("image")!.grid).toEqual({ step: metadata!.input.pixelStep, min: -128, max: 127 });
    expect(input).toEqual({ name: "image", dims: [1, 3, 8, 8] });
    expect(nodes.some(({ output }) => output[0] === "logits")).toBe(false);
  });

  it("has others by options, with or without metadata", () => {
    const options = { cut: "stream.1", exits: [EXIT] };
    const { metadata, edge } = importModel(hybrid(), "m.onnx", options);
    expect(edge.outputs).toEqual(["exit_logits", "stream.1"]);
    expect(metadata!.exit).toMatchObject({ ...EXIT, name: "exit" });
    const bare = importModel(withoutMetadata(hybrid()), "dir/small net.onnx", options);
    expect(bare.metadata).toMatchObject({
      cut: "stream.1",
      exit: EXIT,
      classes: ["0", "1", "2", "3"],
      output: "logits",
    });
    expect(bare.metadata!.input).toEqual({ name: "image", pixelZero: 128, pixelStep: metadata!.input.pixelStep });
    expect(bare.edge.nodes).toEqual(edge.nodes);
  });

  it.each<[string, Parameters<typeof importModel>[2], RegExp]>([
    ["a cut without an exit", { cut: "payload" }, /one cut and one exit/],
    ["an exit without a cut", { exits: [EXIT] }, /one cut and one exit/],
    ["a cut that there is not", { cut: "nowhere", exits: [EXIT] }, /no node makes the tensor "nowhere"/],
    [
      "logits that are a map",
      { cut: "payload", exits: [{ ...EXIT, logits: "stream.1" }] },
      /2 outputs beside its exit/,
    ],
    ["a cut that is a vector", { cut: "exit.flat", exits: [EXIT] }, /the cut "exit\.flat" has the shape/],
    ["a cut of constants", { cut: "first.weight_q", exits: [EXIT] }, /"first\.weight_q" does not depend on the image/],
  ])("refuses %s", (_, options, message) => {
    expect(() => importModel(withoutMetadata(hybrid()), "m.onnx", options)).toThrow(message);
  });

  it("refuses logits that are no vector", () => {
    const options = { exits: [{ ...EXIT, logits: "stream.1" }] };
    expect(() => importModel(hybrid(), "m.onnx", options)).toThrow(
      /"stream\.1" have the shape \[8,8,8\] for 4 classes/,
    );
  });

  it("refuses pixels of which nothing is known", () => {
    const onnx = withoutMetadata(hybrid());
    const bits = onnx.graph.initializer.findIndex(({ name }) => name === "image_q.bits");
    onnx.graph.initializer[bits] = floats("image_q.bits", [], [9]);
    const error = refusal(() => importModel(onnx, "m.onnx", { cut: "payload", exits: [EXIT] }));
    expect([error.message, error.code]).toEqual([expect.stringContaining("not quantised to signed bytes"), "H110"]);
  });
});

describe("an edge-only model", () => {
  const relu = (dims: (number | string)[]) => smallModel({ nodes: [node("Relu", ["x"], ["y"])], dims });

  it.each<[(number | string)[], number[], number[]]>([
    [
      ["N", 3, 4, 5],
      [1, 3, 4, 5],
      [3, 4, 5],
    ],
    [
      [1, 3, 9],
      [1, 3, 9],
      [3, 1, 9],
    ],
    [[0, 7], [1, 7], [7]],
    [[7], [7], [7]],
  ])("of an input [%s] has one of [%s], in the graph [%s]", (declared, dims, shape) => {
    const { input, edge, metadata } = importModel(relu(declared), "m.onnx");
    expect([input.dims, edge.tensors.get("x")!.shape, metadata]).toEqual([dims, shape, undefined]);
    expect(edge.outputs).toEqual(["y"]);
  });

  it("is called what its graph is called or, where that is no name, its file", () => {
    const named = relu([1, 4]);
    expect(importModel(named, "m.onnx").name).toBe("graph");
    named.graph.name = "a\u0007b";
    expect(importModel(named, "folder/some model.onnx").name).toBe("some model");
  });

  it("has its input on the grid of the quantiser that alone reads it, or on the one that is given", () => {
    const quant = node("Quant", ["x", "s", "z", "b"], ["q"], { narrow: { int: 0 } });
    const initializers = [floats("s", [], [0.5]), floats("z", [], [3]), floats("b", [], [8])];
    const gridOf = (nodes: ReturnType<typeof node>[], options = {}) =>
      importModel(smallModel({ nodes, dims: [1, 4], initializers }), "m.onnx", options).edge.tensors.get("x")!.grid;
    expect(gridOf([quant, node("Relu", ["q"], ["y"])])).toEqual({ step: 0.5, min: -131, max: 124 });
    expect(gridOf([quant, node("Add", ["q", "x"], ["y"])])).toBeUndefined();
    expect(gridOf([node("Relu", ["x"], ["y"])], { input: { zero: 128, step: 0.25 } })).toEqual({
      step: 0.25,
      min: -128,
      max: 127,
    });
  });

  it("ignores initialisers among its inputs, as old files list them", () => {
    const onnx = smallModel({
      nodes: [node("Add", ["x", "c"], ["y"])],
      dims: [1, 4],
      initializers: [floats("c", [], [1])],
    });
    onnx.graph.input.push(value("c", []));
    expect(importModel(onnx, "m.onnx").edge.nodes).toHaveLength(1);
  });

  it("may give out what others read, too, and its input", () => {
    const same = importModel(smallModel({ nodes: [node("Identity", ["x"], ["y"])], dims: [1, 4] }), "m.onnx");
    expect(same.edge.nodes.map(({ op, output }) => [op, output])).toEqual([["identity", "y"]]);
    expect(same.edge.input).toBe("x");
  });

  it.each<[string, (onnx: OnnxModel) => void, RegExp]>([
    ["two inputs", ({ graph }) => graph.input.push(value("more", [1])), /the graph has 2 inputs/],
    ["no input", ({ graph }) => graph.input.pop(), /the graph has 0 inputs/],
    ["two outputs", ({ graph }) => graph.output.push(value("more", [1])), /the graph has 2 outputs/],
    ["a batch", ({ graph }) => graph.input.splice(0, 1, value("x", [8, 4])), /input "x" has a batch of 8/],
    ["an open size", ({ graph }) => graph.input.splice(0, 1, value("x", ["N", "size"])), /input "x" is \[batch, \?\]/],
    ["no shape", ({ graph }) => graph.input.splice(0, 1, { name: "x", metadataProps: [] }), /input "x" is/],
    ["five axes", ({ graph }) => graph.input.splice(0, 1, value("x", [1, 2, 2, 2, 2])), /input "x" is/],
    [
      "a sample of gigabytes",
      ({ graph }) => graph.input.splice(0, 1, value("x", [1, 2 ** 30])),
      /more than 1048576 values/,
    ],
    ["integers", ({ graph }) => (graph.input[0]!.type!.tensorType!.elemType = 3), /does not hold floats/],
    ["a name that rings", ({ graph }) => (graph.node[0]!.output[0] = "y\u0007"), /control character|no node makes/],
  ])("refuses %s", (_, change, message) => {
    const onnx = relu([1, 4]);
    change(onnx);
    expect(() => importModel(onnx, "m.onnx")).toThrow(message);
  });
});

it("helpers take no name that the file uses", () => {
  const quantised = [
    node("Quant", ["w", "s", "z", "b"], ["q"]),
    node("MatMul", ["x", "q"], ["m"]),
    node("Relu", ["m"], ["q.scales"]),
    node("Relu", ["q.scales"], ["m.product"]),
    node("Relu", ["m.product"], ["y"]),
  ];
  const initializers = [
    floats("w", [2, 2], [1, 2, 3, 4]),
    floats("s", [1, 2], [0.5, 0.3]),
    floats("z", [], [0]),
    floats("b", [], [4]),
  ];
  const { edge } = importModel(smallModel({ nodes: quantised, dims: [1, 2], initializers }), "m.onnx");
  expect(edge.nodes.map(({ inputs, output }) => [...inputs, output].join())).toEqual([
    "x,q.integers,m.product'",
    "m.product',q.scales',m",
    "m,q.scales",
    "q.scales,m.product",
    "m.product,y",
  ]);
});

describe("nodes that do not compile", () => {
  const nodes = [
    node("Relu", ["x"], ["a"]),
    node("Erf", ["a"], ["b"]),
    node("Relu", ["b"], ["c"]),
    node("Add", ["c", "d"], ["y"]),
    node("Tanh", ["a"], ["d"]),
  ];

  it("are all in one error, by number, and with what lies in front of them", () => {
    const error = refusal(() => importModel(smallModel({ nodes, dims: [1, 4] }), "m.onnx")) as UnsupportedNodes;
    expect(error).toBeInstanceOf(UnsupportedNodes);
    expect(error.message).toMatch(/^m\.onnx: 2 nodes do not compile for the device:\n {2}H201 Erf "Erf:b": /);
    expect(error.problems.map(({ code, node: name }) => [code, name])).toEqual([
      ["H201", "Erf:b"],
      ["H201", "Tanh:d"],
    ]);
    expect(error.nodes).toHaveLength(5);
    expect(error.partial()!.outputs).toEqual(["a"]);
  });

  it("have attributes of another type, too", () => {
    const odd = node("Flatten", ["x"], ["y"]);
    odd.attribute.push(attribute("axis", { float: 1 }));
    expect(() => importModel(smallModel({ nodes: [odd], dims: [1, 4] }), "m.onnx")).toThrow(
      /"axis" of Flatten .* is not of type INT/,
    );
  });

  it("read what nothing makes", () => {
    const small = smallModel({ nodes: [node("Add", ["x", "nowhere"], ["y"])], dims: [1, 4] });
    const { problems } = refusal(() => importModel(small, "m.onnx"));
    expect(problems).toMatchObject([{ code: "H206", message: 'Add "Add:y": nothing makes its input "nowhere".' }]);
  });
});

it("the registry says of every operator what compiles, in one line", () => {
  for (const [name, { note }] of STANDARD_OPERATORS) expect(note, name).toMatch(/^[^\n]{5,140}$/);
});

describe("options", () => {
  it("say an exit, whose tensor may have colons in its name", () => {
    expect(parseExit("a:b:entropy:0.5")).toEqual({ logits: "a:b", rule: "entropy", threshold: 0.5 });
    for (const text of [
      "logits",
      "logits:entropy:",
      "logits:entropy:-1",
      "logits:margin:1",
      ":entropy:1",
      "l:entropy:x",
    ])
      expect(refusal(() => parseExit(text)).kind).toBe("usage");
  });

  it("say what the input's bytes are worth", () => {
    expect(parseInput("128:1/64")).toEqual({ zero: 128, step: 1 / 64 });
    expect(parseInput("0:0.5")).toEqual({ zero: 0, step: 0.5 });
    for (const text of ["", "128", "256:1", "0:-1", "0:1/0", "0:0"])
      expect(refusal(() => parseInput(text)).kind).toBe("usage");
  });
});
