import { describe, expect, it } from "vitest";
import { OrtModel } from "../../explore/ort.ts";
import { floats, model, node, value } from "../../import/onnx/build.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import type { OnnxModel } from "../../import/onnx/types.ts";
import { joinParts } from "./join.ts";

const dims = ["batch", 2];

/** cut = x + 1, exit = 10 cut; its constants and a tensor in between bear names that the cloud part has, too. */
const edge = model({
  nodes: [
    node("Add", ["x", "c"], ["between"]),
    node("Identity", ["between"], ["cut"]),
    node("Mul", ["cut", "d"], ["exit"]),
  ],
  initializers: [floats("c", [], [1]), floats("d", [], [10])],
  inputs: [value("x", dims)],
  outputs: [value("exit", dims), value("cut", dims)],
});

/** y = -(100 cut) */
function cloud(reads = "d"): OnnxModel {
  const made = model({
    nodes: [node("Mul", ["cut", reads], ["between"]), node("Neg", ["between"], ["y"])],
    initializers: [floats(reads, [], [100])],
    inputs: [value("cut", dims)],
    outputs: [value("y", dims)],
  });
  return { ...made, irVersion: 9, opsetImport: [{ domain: "", version: 17 }] };
}

const options = { cut: "cut", exit: "exit", metadata: { "hedge.version": "1" }, file: "m.onnx" };

describe("joinParts", () => {
  it("keeps names of the two halves apart", async () => {
    const joined = joinParts(edge, cloud(), options);
    expect(joined.graph.node.map(({ input, output }) => `${output} = ${input}`)).toEqual([
      "between.edge = x,c",
      "cut = between.edge",
      "exit = cut,d.edge",
      "between = cut,d",
      "y = between",
    ]);
    const session = await OrtModel.open(encodeModel(joined), "m.onnx");
    const results = await session.run({ x: { dims: [1, 2], data: Float32Array.of(2, 4) } }, ["exit", "y"]);
    await session.close();
    expect([...results].map(([name, { data }]) => [name, ...data])).toEqual([
      ["exit", 30, 50],
      ["y", -300, -500],
    ]);
  });

  it("has the cloud's operator set, the newer IR version and the metadata; the cut is no output", () => {
    const joined = joinParts(edge, cloud(), options);
    expect([joined.irVersion, joined.opsetImport]).toEqual([9, [{ domain: "", version: 17 }]]);
    expect(joined.metadataProps).toEqual([{ key: "hedge.version", value: "1" }]);
    expect(joined.graph.output.map(({ name }) => name)).toEqual(["exit", "y"]);
  });

  it("refuses a cloud part that needs the exit", () => {
    expect(() => joinParts(edge, cloud("exit"), options)).toThrow(
      /m.onnx: the cloud part needs the exit's logits "exit"/,
    );
  });
});
