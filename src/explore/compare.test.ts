import { expect, it } from "vitest";
import { ModelEditor } from "../../test/support/edit-model.ts";
import { randomImages } from "../../test/support/random.ts";
import { compileModel } from "../bundle/compile.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import type { OnnxModel } from "../import/onnx/types.ts";
import { hybridModel, smallShape } from "../zoo/hybrid.ts";
import { zooModel } from "../zoo/zoo.ts";
import { compareLayers } from "./compare.ts";

const SHAPE = smallShape({ bits: 2, channels: 8 });
const SAMPLES = randomImages(3, SHAPE.input, 5);

async function compare(compiled: OnnxModel, original: OnnxModel) {
  const compilation = await compileModel(encodeModel(compiled), "compiled.onnx");
  return compareLayers(compilation, original, "original.onnx", SAMPLES, () => undefined);
}

it("every layer of a hybrid model is onnxruntime's, the payload included", async () => {
  const model = hybridModel(SHAPE);
  const { layers, firstDiverging, samples } = await compare(model, model);
  expect(firstDiverging).toBeUndefined();
  expect(samples).toBe(3);
  expect(layers.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["binary-conv", "exit-pool", "dense-exit", "payload"]),
  );
  for (const { values, differing, largest } of layers) {
    expect(values).toBeGreaterThan(0);
    expect([differing, largest]).toEqual([0, 0]);
  }
});

it("names the first layer that differs", async () => {
  const other = new ModelEditor(hybridModel(SHAPE));
  const channels = 16;
  other.constant("layer.1.alpha", [1, channels, 1, 1], new Array(channels).fill(2));
  const { layers, firstDiverging } = await compare(hybridModel(SHAPE), other.model);
  expect(firstDiverging).toBe("stream.2");
  expect(layers.find((layer) => layer.name === "stream.1")!.differing).toBe(0);
  expect(layers.find((layer) => layer.name === "stream.2")!.largest).toBeGreaterThanOrEqual(1);
});

it("finds maps of models that have their channels innermost", async () => {
  const model = zooModel("mobilenet-v1-block", { flavour: "qkeras" });
  const compilation = await compileModel(encodeModel(model), "keras.onnx");
  const sample = Int8Array.from({ length: compilation.bundle.manifest.module.inputBytes }, (_, i) => (i * 37) % 100);
  const { layers, firstDiverging } = await compareLayers(compilation, model, "keras.onnx", [sample], () => undefined);
  expect(firstDiverging).toBeUndefined();
  expect(layers.length).toBeGreaterThan(4);
});

it("refuses a model that has no tensor in common with the module", async () => {
  const qkeras = zooModel("mlp", { flavour: "qkeras" });
  await expect(compare(hybridModel(SHAPE), qkeras)).rejects.toThrow("has none of the tensors that its module computes");
});

it("takes what float32 rounding decides for no defect where steps are no powers of two", async () => {
  const model = zooModel("resnet8", { flavour: "brevitas" });
  const compilation = await compileModel(encodeModel(model), "brevitas.onnx");
  const sample = Int8Array.from({ length: compilation.bundle.manifest.module.inputBytes }, (_, i) => (i * 37) % 251);
  const { firstDiverging, byRounding } = await compareLayers(compilation, model, "b.onnx", [sample], () => undefined);
  expect(firstDiverging === undefined || byRounding).toBe(true);
});
