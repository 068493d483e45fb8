import { describe, expect, it } from "vitest";
import { OrtModel } from "../../explore/ort.ts";
import { floats, model, node, value } from "../../import/onnx/build.ts";
import { decodeModel, encodeModel } from "../../import/onnx/codec.ts";
import type { OnnxModel } from "../../import/onnx/types.ts";
import { extractSubgraph, splitCloud } from "./extract.ts";

const ramp = (n: number) => Array.from({ length: n }, (_, i) => ((i * 7) % 11) / 8 - 0.5);

/** image -> conv -> stream -> payload (2 bits) -> conv -> logits, with an exit on the stream. */
function hybrid(): OnnxModel {
  const quant = { signed: { int: 1 }, narrow: { int: 0 }, rounding_mode: { string: "FLOOR" } };
  return model({
    name: "tiny",
    nodes: [
      node("Conv", ["image", "w1"], ["stream"], { pads: { ints: [1, 1, 1, 1] } }),
      node("GlobalAveragePool", ["stream"], ["exit.pool"]),
      node("Flatten", ["exit.pool"], ["exit_logits"]),
      node("Quant", ["stream", "one", "zero", "two"], ["payload"], quant),
      node("Add", ["payload", "half"], ["centred"]),
      node("BipolarQuant", ["w2", "one"], ["w2.b"]),
      node("Conv", ["centred", "w2.b"], ["deep"]),
      node("GlobalAveragePool", ["deep"], ["pool"]),
      node("Flatten", ["pool"], ["logits"]),
    ],
    initializers: [
      floats("w1", [2, 1, 3, 3], ramp(18)),
      floats("w2", [3, 2, 1, 1], ramp(6)),
      floats("one", [], [1]),
      floats("zero", [], [0]),
      floats("two", [], [2]),
      floats("half", [], [0.5]),
    ],
    inputs: [value("image", ["batch", 1, 4, 4])],
    outputs: [value("exit_logits", ["batch", 2]), value("logits", ["batch", 3])],
    metadata: { "hedge.version": "1", "hedge.name": "tiny", "hedge.cut": "payload", "hedge.exits": "[]" },
  });
}

describe("splitCloud", () => {
  it("keeps what the output needs behind the cut, and nothing else", () => {
    const cloud = splitCloud(hybrid(), "payload", "logits", { file: "tiny.onnx", shape: [2, 4, 4] });
    expect(cloud.graph.node.map((n) => n.opType)).toEqual(["Add", "Conv", "GlobalAveragePool", "Flatten"]);
    expect(cloud.graph.initializer.map((t) => t.name).sort()).toEqual(["half", "w2.b"]);
    expect(cloud.graph.input).toEqual([value("payload", ["batch", 2, 4, 4])]);
    expect(cloud.graph.output).toEqual([value("logits", ["batch", 3])]);
    expect(cloud.opsetImport).toEqual([{ domain: "", version: 13 }]);
    expect(cloud.metadataProps).toEqual([
      { key: "hedge.version", value: "1" },
      { key: "hedge.name", value: "tiny" },
      { key: "hedge.cut", value: "payload" },
      { key: "hedge.part", value: "cloud" },
    ]);
  });

  it("leaves the model alone", () => {
    const whole = hybrid();
    splitCloud(whole, "payload", "logits", { file: "tiny.onnx" });
    expect(whole).toEqual(hybrid());
  });

  it("computes what the whole model computes", async () => {
    const whole = hybrid();
    const edge = extractSubgraph(whole, whole.graph.input, ["payload"], "tiny.onnx");
    expect(edge.graph.node.map((n) => n.opType)).toEqual(["Conv", "Quant"]);
    const bytes = encodeModel(splitCloud(whole, "payload", "logits", { file: "tiny.onnx" }));
    const cloud = await OrtModel.open(bytes, "cloud.onnx");
    const payload = { dims: [2, 2, 4, 4], data: Float32Array.from({ length: 64 }, (_, i) => (i % 4) - 2) };
    const logits = (await cloud.run({ payload }, ["logits"])).get("logits")!;
    await cloud.close();
    // By hand: mean over the image of each channel, plus a half, times the signs of w2.
    const signs = ramp(6).map((w) => (w >= 0 ? 1 : -1));
    const mean = (n: number, c: number) =>
      payload.data.subarray((n * 2 + c) * 16, (n * 2 + c + 1) * 16).reduce((a, b) => a + b) / 16 + 0.5;
    for (let n = 0; n < 2; n++) {
      for (let k = 0; k < 3; k++) {
        expect(logits.data[n * 3 + k]).toBe(mean(n, 0) * signs[k * 2]! + mean(n, 1) * signs[k * 2 + 1]!);
      }
    }
  });

  it("survives encoding", () => {
    const cloud = splitCloud(hybrid(), "payload", "logits", { file: "tiny.onnx" });
    expect(decodeModel(encodeModel(cloud), "cloud.onnx")).toEqual(cloud);
  });

  it.each<[string, (m: OnnxModel) => unknown, RegExp]>([
    [
      "a shortcut around the cut",
      (m) => m.graph.node.splice(6, 1, node("Conv", ["stream", "w2.b"], ["deep"])),
      /"payload" does not separate the cloud part: Conv "Conv:deep" also needs "stream" of the edge part/,
    ],
    [
      "the image itself behind the cut",
      (m) => m.graph.node.splice(4, 1, node("Add", ["payload", "image"], ["centred"])),
      /Add "Add:centred" also needs "image"/,
    ],
    [
      "a way round over nodes that the cut does not need",
      (m) =>
        m.graph.node.splice(
          4,
          1,
          node("Relu", ["stream"], ["detour"]),
          node("Add", ["payload", "detour"], ["centred"]),
        ),
      /Relu "Relu:detour" also needs "stream"/,
    ],
    [
      "an unknown cut",
      (m) => m.graph.node.splice(3, 1, node("Relu", ["stream"], ["other"])),
      /no node makes .*"payload"/,
    ],
    ["an unknown output", (m) => m.graph.node.pop(), /no node makes .*"logits"/],
    ["a foreign operator", (m) => Object.assign(m.graph.node[7]!, { domain: "com.acme" }), /domain "com\.acme"/],
    [
      "an output in front of the cut",
      (m) => m.graph.node.splice(8, 1, node("Relu", ["stream"], ["logits"])),
      /Relu "Relu:logits" also needs "stream"/,
    ],
  ])("refuses %s by name", (_, change, message) => {
    const bad = hybrid();
    change(bad);
    expect(() => splitCloud(bad, "payload", "logits", { file: "bad.onnx" })).toThrow(message);
    expect(() => splitCloud(bad, "payload", "logits", { file: "bad.onnx" })).toThrow(/bad\.onnx/);
  });

  it("refuses an output that does not depend on the cut at all", () => {
    const bad = hybrid();
    bad.graph.node.push(node("Relu", ["one"], ["constant"]));
    expect(() => splitCloud(bad, "payload", "constant", { file: "bad.onnx" })).toThrow(/does not depend on the cut/);
  });

  it("lets constants be shared by both halves, also when they are listed as inputs", () => {
    const old = hybrid();
    old.graph.input.push(value("half", []));
    old.graph.node.splice(1, 0, node("Add", ["stream", "half"], ["moved"]));
    const cloud = splitCloud(old, "payload", "logits", { file: "old.onnx" });
    expect(cloud.graph.input.map((i) => i.name)).toEqual(["payload"]);
    expect(cloud.graph.initializer.map((t) => t.name)).toContain("half");
  });
});

describe("extractSubgraph", () => {
  it("refuses a part with an input that is not given", () => {
    const whole = hybrid();
    expect(() => extractSubgraph(whole, [value("payload", [])], ["exit_logits"], "m.onnx")).toThrow(
      /m\.onnx: Conv "Conv:stream" needs "image", which is not among the inputs payload/,
    );
    expect(() => extractSubgraph(whole, [], ["nothing"], "m.onnx")).toThrow(/no node makes the tensor "nothing"/);
  });

  it("takes along what a branch reads from around it", () => {
    const branch = (output: string, from: string) => ({
      ...hybrid().graph,
      node: [node("Relu", [from], [output])],
      input: [],
      initializer: [],
      output: [value(output, [])],
    });
    const parts = model({
      nodes: [
        node("Neg", ["x"], ["captured"]),
        node("Abs", ["x"], ["unused"]),
        {
          ...node("If", ["flag"], ["y"]),
          attribute: [
            {
              ...node("a", [], [""], { g: { int: 0 } }).attribute[0]!,
              name: "then_branch",
              type: 5,
              g: branch("a", "captured"),
            },
            {
              ...node("a", [], [""], { g: { int: 0 } }).attribute[0]!,
              name: "else_branch",
              type: 5,
              g: branch("b", "w"),
            },
          ],
        },
      ],
      initializers: [floats("w", [1], [1]), floats("v", [1], [1])],
      inputs: [value("x", [1]), value("flag", [])],
      outputs: [value("y", [1])],
    });
    const part = extractSubgraph(parts, parts.graph.input, ["y"], "if.onnx");
    expect(part.graph.node.map((n) => n.opType)).toEqual(["Neg", "If"]);
    expect(part.graph.initializer.map((t) => t.name)).toEqual(["w"]);
  });
});
