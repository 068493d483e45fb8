import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/build.ts";
import type { Attributes, Graph } from "../graph/graph.ts";
import type { Grid } from "../graph/grid.ts";
import { runGraph } from "../graph/run.ts";
import { verifyGraph } from "../graph/verify.ts";
import { dropIdentity } from "./drop-identity.ts";
import { foldChains } from "./fold-chains.ts";
import { foldPad } from "./fold-pad.ts";
import { groundInput } from "./ground-input.ts";
import type { Note } from "./notes.ts";
import { splitScales } from "./split-scales.ts";
import { trimOutput } from "./trim-output.ts";

const stream = { step: 0.5, min: -128, max: 127 };

function ops(graph: Graph): string[] {
  return graph.nodes.map((node) => node.op);
}

describe("foldPad", () => {
  it("moves pixels of padding into the convolution, value and all", () => {
    const builder = new GraphBuilder("pad");
    builder.input("x", [1, 2, 2], { step: 1, min: -1, max: 1 });
    builder.constant("w", [1, 1, 3, 3], [1, -1, 1, -1, 1, -1, 1, -1, 1]);
    builder.node("pad", ["x"], "padded", { before: [0, 1, 1], after: [0, 1, 1], value: -1 });
    builder.node("conv", ["padded", "w"], "y", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
    const before = builder.build(["y"]);
    const after = verifyGraph(foldPad(before));
    expect(ops(after)).toEqual(["conv"]);
    const x = [1, -1, -1, 1];
    expect(runGraph(after, x).get("y")).toEqual(runGraph(before, x).get("y"));
  });

  it("leaves padding of channels alone", () => {
    const builder = new GraphBuilder("pad");
    builder.input("x", [1, 2, 2], { step: 1, min: -1, max: 1 });
    builder.constant("w", [1, 2, 1, 1], [1, -1]);
    builder.node("pad", ["x"], "padded", { before: [0, 0, 0], after: [1, 0, 0], value: 0 });
    builder.node("conv", ["padded", "w"], "y", { strides: [1, 1], pads: [0, 0, 0, 0], padValue: 0 });
    expect(ops(foldPad(builder.build(["y"])))).toEqual(["pad", "conv"]);
  });
});

describe("dropIdentity", () => {
  it("removes identities inside, keeps the one that names an output", () => {
    const builder = new GraphBuilder("same");
    builder.input("x", [1], stream);
    builder.node("identity", ["x"], "a");
    builder.node("relu", ["a"], "b");
    builder.node("identity", ["b"], "y");
    const after = verifyGraph(dropIdentity(builder.build(["y"])));
    expect(after.nodes.map((node) => [node.op, ...node.inputs])).toEqual([
      ["relu", "x"],
      ["identity", "b"],
    ]);
  });
});

describe("dropIdentity of quantisers", () => {
  const byte = { bits: 8, signed: 1, narrow: 0, rounding: "ROUND", scale: 0.3, zero: 0 };
  const kept = (grid: Grid, quantiser: Attributes): string => {
    const builder = new GraphBuilder("again");
    builder.input("x", [4], grid);
    builder.node("relu", ["x"], "a");
    builder.node("quant", ["a"], "b", quantiser);
    builder.node("sign", ["b"], "y");
    return ops(verifyGraph(dropIdentity(builder.build(["y"])))).join(" ");
  };

  it("drops what keeps every integer", () => {
    expect(kept({ step: 0.3, min: -128, max: 127 }, byte)).toBe("relu sign");
    expect(kept({ step: 0.3, min: -128, max: 100 }, { ...byte, zero: 20 })).toBe("relu sign");
  });

  it("keeps what clips, or has another step", () => {
    expect(kept({ step: 0.3, min: -128, max: 128 }, byte)).toBe("relu quant sign");
    expect(kept({ step: 0.15, min: -128, max: 100 }, byte)).toBe("relu quant sign");
    expect(kept({ step: 0.3, min: -128, max: 100 }, { ...byte, zero: 0.5 })).toBe("relu quant sign");
  });

  it("keeps what says what the image is", () => {
    const builder = new GraphBuilder("image");
    builder.input("x", [4], { step: 0.3, min: -128, max: 127 });
    builder.node("quant", ["x"], "a", byte);
    builder.node("sign", ["a"], "y");
    expect(ops(dropIdentity(builder.build(["y"])))).toEqual(["quant", "sign"]);
  });
});

describe("trimOutput", () => {
  it.each(["softmax", "argMax"])("gives the logits in front of %s out", (op) => {
    const builder = new GraphBuilder("labels");
    builder.input("x", [4], stream);
    builder.node("relu", ["x"], "logits");
    builder.node(op, ["logits"], "y");
    const after = verifyGraph(trimOutput(builder.build(["y"])));
    expect([ops(after), after.outputs]).toEqual([["relu"], ["logits"]]);
  });

  it("leaves the outputs of a hybrid model, and a softmax of pixels", () => {
    const builder = new GraphBuilder("two");
    builder.input("x", [4], stream);
    builder.node("relu", ["x"], "logits");
    builder.node("softmax", ["logits"], "y");
    expect(ops(trimOutput(builder.build(["y", "logits"])))).toEqual(["relu", "softmax"]);
    const map = new GraphBuilder("map");
    map.input("x", [2, 2, 2], stream);
    map.node("relu", ["x"], "a");
    map.node("softmax", ["a"], "y");
    expect(ops(trimOutput(map.build(["y"])))).toEqual(["relu", "softmax"]);
  });
});

describe("groundInput", () => {
  it("takes bytes of the finest step that a normalisation makes of a quantiser's", () => {
    const builder = new GraphBuilder("normalised");
    builder.input("x", [2, 1, 2]);
    builder.constant("mean", [2], [0.5, 0.4]);
    builder.constant("scale", [2], [2, -4]);
    builder.node("sub", ["x", "mean"], "a");
    builder.node("mul", ["a", "scale"], "b");
    builder.node("quant", ["b"], "y", { bits: 8, signed: 1, narrow: 0, rounding: "ROUND", scale: 0.5, zero: 0 });
    const notes: Note[] = [];
    const after = verifyGraph(groundInput(builder.build(["y"]), notes));
    expect(after.tensors.get("x")!.grid).toEqual({ step: 0.125, min: -128, max: 127 });
    expect(notes.map(({ message }) => message)).toEqual([
      'The file does not say how "x" is stored: signed bytes are taken, each worth 0.125.',
    ]);
  });

  it("leaves an input that is on a grid, or that nothing quantises", () => {
    const builder = new GraphBuilder("known");
    builder.input("x", [2], stream);
    builder.node("relu", ["x"], "y");
    const known = builder.build(["y"]);
    expect(groundInput(known)).toBe(known);
    const float = new GraphBuilder("float");
    float.input("x", [2]);
    float.node("relu", ["x"], "y");
    expect(groundInput(float.build(["y"])).tensors.get("x")!.grid).toBeUndefined();
  });
});

describe("splitScales", () => {
  it.each([
    ["quant", { bits: 4, signed: 1, narrow: 0, rounding: "ROUND", zero: 1 }],
    ["bipolarQuant", {}],
  ])("puts a %s with a scale per channel on a grid of whole numbers", (op, attributes) => {
    const builder = new GraphBuilder("scales");
    builder.input("x", [3, 1, 256], { step: 0.37, min: -128, max: 127 });
    builder.node(op, ["x"], "y", { ...attributes, scale: [0.5, 0.3, 4] });
    const before = builder.build(["y"]);
    const after = verifyGraph(splitScales(before));
    expect(ops(after)).toEqual(["div", op, "mul"]);
    expect(after.tensors.get("y.whole")!.grid?.step).toBe(1);
    const x = Float64Array.from({ length: 3 * 256 }, (_, i) => ((i % 256) - 128) * 0.37);
    const [expected, actual] = [before, after].map((graph) => runGraph(graph, x).get("y")!);
    expect(actual).toEqual(expected);
    // All of it is one integer operator of the input, and the scales behind.
    expect(ops(foldChains(after))).toEqual([op === "quant" ? "requant" : "threshold", "mul"]);
  });

  it("leaves one scale for all", () => {
    const builder = new GraphBuilder("scale");
    builder.input("x", [2], stream);
    builder.node("bipolarQuant", ["x"], "y", { scale: [0.5, 0.5] });
    expect(ops(splitScales(builder.build(["y"])))).toEqual(["bipolarQuant"]);
  });
});
