/** Every network in every flavour is a model that onnxruntime runs; quantisers of QONNX as standard operators first. */
import { describe, expect, it, test } from "vitest";
import { OrtModel } from "../explore/ort.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { randomFrom } from "./random.ts";
import { FLAVOURS, type Flavour, NETWORKS, zooList, zooModel } from "./zoo.ts";

/** Outputs for two different random samples. */
async function runTwice(model: OnnxModel, output: string): Promise<[Float32Array, Float32Array]> {
  const ort = await OrtModel.open(encodeModel(expandQuantizers(model, "zoo")), "zoo");
  const { name, type } = model.graph.input[0]!;
  const dims = type!.tensorType!.shape!.dim.map(({ dimValue }) => Number(dimValue ?? 1));
  const run = async (seed: number) => {
    const random = randomFrom(seed);
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => (random() - 0.5) * 3.4);
    return (await ort.run({ [name!]: { dims, data } }, [output])).get(output)!.data;
  };
  const both: [Float32Array, Float32Array] = [await run(1), await run(2)];
  await ort.close();
  return both;
}

describe.each(Object.keys(FLAVOURS) as Flavour[])("as %s", (flavour) => {
  it.each(Object.keys(NETWORKS))("%s runs, and its output depends on its input", async (name) => {
    const [first, second] = await runTwice(zooModel(name, { flavour }), "output");
    expect(first.every(Number.isFinite)).toBe(true);
    expect(first).not.toEqual(second);
  });
});

test.each([1, 2, 3, 4, 8])("%d-bit weights and activations run", async (bits) => {
  for (const flavour of ["brevitas", "qkeras"]) {
    const model = zooModel("mobilenet-v1-block", { flavour, bits: { weights: bits, activations: bits } });
    const [first, second] = await runTwice(model, "output");
    expect(first, flavour).not.toEqual(second);
  }
});

test("hybrid networks run", async () => {
  const [first, second] = await runTwice(zooModel("resnet8-4e"), "logits");
  expect(first).toHaveLength(10);
  expect(first).not.toEqual(second);
});

test("the same seed gives the same bytes, another seed others", () => {
  const bytes = (seed: number) => encodeModel(zooModel("mlp", { seed }));
  expect(bytes(3)).toEqual(bytes(3));
  expect(bytes(3)).not.toEqual(bytes(4));
});

test("the list names every network once, with flavours that it can be written in", () => {
  const names = zooList().map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, flavours } of zooList())
    for (const flavour of flavours) expect(zooModel(name, { flavour }).graph.node.length).toBeGreaterThan(0);
});

test.each([
  ["resnet9", {}, 'no network "resnet9"', "resnet8"],
  ["mlp", { flavour: "keras" }, '"keras"', "brevitas"],
  ["toString", {}, 'no network "toString"', "mlp"],
  ["mlp", { flavour: "qdq", bits: { weights: 4, activations: 8 } }, "4 bits", "8"],
  ["mlp", { flavour: "float", bits: { weights: 8, activations: 8 } }, "8 bits", "Leave"],
  ["resnet8-4e", { flavour: "brevitas" }, '"brevitas"', "trainer"],
  ["resnet8-4e", { bits: { weights: 2, activations: 2 } }, "1-bit", "Leave"],
])("%s with %o is refused", (name, options, sentence, what) => {
  const remedy = expect.stringContaining(what);
  const error = { kind: "usage", message: expect.stringContaining(sentence), remedy };
  expect(() => zooModel(name, options)).toThrow(expect.objectContaining(error));
});
