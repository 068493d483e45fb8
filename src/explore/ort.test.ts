import { describe, expect, it } from "vitest";
import { int64s, model, node, value } from "../import/onnx/build.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { OrtModel } from "./ort.ts";

const parts = () =>
  model({
    nodes: [node("Neg", ["x"], ["y"]), node("Shape", ["x"], ["shape"]), node("Add", ["one", "shape"], ["more"])],
    initializers: [int64s("one", [1])],
    inputs: [value("x", ["n", 2])],
    outputs: [value("y", ["n", 2]), { ...value("more", [2]), type: { tensorType: { elemType: 7 } } }],
  });

describe("OrtModel", () => {
  it("runs a batch and names its outputs", async () => {
    const session = await OrtModel.open(encodeModel(parts()), "m.onnx");
    const out = await session.run({ x: { dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) } }, ["y"]);
    expect(out.get("y")).toEqual({ dims: [2, 2], data: Float32Array.of(-1, -2, -3, -4) });
    await session.close();
  });
  it("says in a sentence what does not fit", async () => {
    const session = await OrtModel.open(encodeModel(parts()), "m.onnx");
    const x = { dims: [1, 2], data: Float32Array.of(1, 2) };
    await expect(session.run({ z: x }, ["y"])).rejects.toThrow(/onnxruntime cannot run m\.onnx/);
    await expect(session.run({ x: { dims: [1, 3], data: new Float32Array(3) } }, ["y"])).rejects.toThrow(/cannot run/);
    await expect(session.run({ x }, ["more"])).rejects.toThrow(/Output "more" of m\.onnx is not float32/);
    await session.close();
  });
  it("refuses what is no model", async () => {
    await expect(OrtModel.open(Uint8Array.of(1, 2, 3), "m.onnx")).rejects.toMatchObject({ kind: "input" });
    await expect(OrtModel.open(Uint8Array.of(1, 2, 3), "m.onnx")).rejects.toThrow(/onnxruntime refuses m\.onnx/);
  });
});
