/** Models whose operators, shapes or metadata do not fit: every error names the node or the key, the reason and the remedy. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { attribute, node, value } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { ModelEditor } from "../support/edit-model.ts";
import { hybridModel, smallShape } from "../support/hybrid-model.ts";
import { type Case, refuses, SMALL, useBench } from "../support/refusal.ts";

const bench = useBench();
const ones = (count: number, of = 1) => new Array<number>(count).fill(of);
const ints = (name: string, ...values: number[]) => attribute(name, { ints: values });

describe("a model with nodes that do not compile", () => {
  it("has them listed, all of them, each with its reason and remedy", async () => {
    const edit = new ModelEditor(hybridModel(SMALL));
    Object.assign(edit.node("exit.relu"), { opType: "HardSwish" });
    Object.assign(edit.node("layer.0.sum"), { opType: "FancyAdd", domain: "com.acme" });
    edit.model.opsetImport.push({ domain: "com.acme", version: 1 });
    edit.node("first.conv").attribute.push(attribute("group", { int: 2 }));
    // Reads what the nodes above do not make: no problem of its own.
    edit.node("layer.1.conv").attribute.push(attribute("dilations", { ints: [2, 2] }));
    const err = await bench.refused(encodeModel(edit.model));
    expect(err.split("\n").slice(0, 5)).toEqual([
      `error: ${join(bench.folder, "bad.onnx")}: 3 nodes do not compile for the device:`,
      expect.stringMatching(/^ {2}H203 Conv "Conv:first\.conv": .*\. Correct the shapes in the model\.$/),
      expect.stringMatching(
        /^ {2}H201 com\.acme::FancyAdd "Add:layer\.0\.sum": this operator does not compile\. Replace/,
      ),
      expect.stringMatching(
        /^ {2}H201 HardSwish "Relu:exit\.relu": this operator does not compile\. Replace it by operators/,
      ),
      "  Change them and export the model again, or move the cut (metadata hedge.cut) in front of them.",
    ]);
  });

  it("has the first twenty listed and the rest counted", async () => {
    const edit = new ModelEditor(hybridModel(SMALL));
    let last = edit.node("exit.relu").input[0]!;
    const chain = Array.from({ length: 100 }, (_, i) => {
      const one = node("Tanh", [last], [`tanh.${i}`]);
      last = `tanh.${i}`;
      return one;
    });
    edit.model.graph.node.push(...chain);
    edit.node("exit.relu").input[0] = last;
    const err = await bench.refused(encodeModel(edit.model));
    expect(err).toContain("100 nodes do not compile");
    expect(err.match(/Tanh "/g)).toHaveLength(20);
    expect(err).toContain("\n  and 80 more\n");
  });
});

describe("shapes that do not fit:", () => {
  refuses(bench, [
    [
      "channels of a convolution",
      (e) => e.constant("first.weight", [3, 4, 3, 3], ones(108)),
      /Conv "Conv:first\.conv": weights expect 4 input channels, the input has 3\. Correct the shapes/,
    ],
    [
      "a weight without an axis",
      (e) => e.constant("first.weight", [3, 27], ones(81)),
      /Conv "Conv:first\.conv": its weight has 2 dimensions/,
    ],
    ["an empty weight", (e) => e.constant("first.weight", [0, 3, 3, 3], []), /first\.conv": its weight is empty/],
    [
      "a bias",
      (e) => e.constant("first.bias", [2], ones(2)),
      /Conv "Conv:first\.conv": bias has 2 values for 3 output channels/,
    ],
    [
      "a kernel larger than the image",
      (e) => e.constant("first.weight", [3, 3, 11, 11], ones(1089)),
      /Conv:first\.conv": a 11x11 kernel does not fit into \[3,8,8\]/,
    ],
    [
      "weights of the exit",
      (e) => e.constant("exit.weight", [4, 5], ones(20, 0.5)),
      /Gemm "Gemm:exit_logits": weights are \[4,5\], expected \[outputs, 6\]/,
    ],
    [
      "a batch norm",
      (e) => e.constant("layer.0.norm.gamma", [7], ones(7)),
      /BatchNormalization "BatchNormalization:layer\.0\.norm": "layer\.0\.norm\.gamma" has 7 values for 3 channels/,
    ],
    [
      "the number of alphas",
      (e) => e.constant("layer.0.alpha", [1, 5, 1, 1], ones(5)),
      /Mul "Mul:layer\.0\.scaled": its shapes \[1,3,8,8\] and \[1,5,1,1\] do not broadcast/,
    ],
    [
      "an image of one axis",
      (e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 192])),
      /input "image" is \[batch, 192\], expected \[batch, channels, height, width\]/,
    ],
    [
      "an image of four axes",
      (e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 3, 8, 8, 1])),
      /input "image" is \[batch, 3, 8, 8, 1\]/,
    ],
    [
      "an image of no fixed size",
      (e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 3, "height", 8])),
      /input "image" is \[batch, 3, \?, 8\].*fixed sizes/,
    ],
    [
      "logits for other classes",
      (e) => e.metadata("hedge.classes", '["yes","no"]'),
      /"exit_logits" have the shape \[4\] for 2 classes/,
    ],
    [
      "a map of billions of values",
      (e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 3, 4096, 4096])),
      /Quant "Quant:image_q": its result would have the shape \[3,4096,4096\]/,
    ],
    [
      "padding without end",
      (e) => e.node("first.conv").attribute.splice(1, 1, ints("pads", 2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31)),
      /Conv "Conv:first\.conv": its pads are \[2147483648,.*numbers from 0 to 4096/,
    ],
  ]);
});

it("a model that needs more memory than there is", async () => {
  const large = hybridModel({ ...smallShape({ channels: 16, side: 64 }), exitWindow: 32 });
  expect(await bench.refused(encodeModel(large))).toMatch(
    /The edge part needs \d+ bytes of memory, and a module has 65536; "stream\.\d" alone works on \d+/,
  );
});

describe("metadata:", () => {
  const keys = ["version", "name", "cut", "output", "exits", "classes", "input"];
  refuses(bench, [
    ...keys.map(
      (key): Case => [
        `no ${key}`,
        (e) => e.metadata(`hedge.${key}`, undefined),
        new RegExp(`no usable "hedge.${key}".`),
      ],
    ),
    [
      "another version",
      (e) => e.metadata("hedge.version", "2"),
      /"hedge\.version" is malformed \(this compiler reads version 1\)/,
    ],
    [
      "exits that are no JSON",
      (e) => e.metadata("hedge.exits", "[{"),
      /"hedge\.exits" is malformed \(it is not JSON\)/,
    ],
    ["no exit", (e) => e.metadata("hedge.exits", "[]"), /"hedge\.exits" is malformed \(Too small/],
    [
      "a rule that there is not",
      (e) => e.metadata("hedge.exits", '[{"name":"e","logits":"exit_logits","rule":"luck","threshold":1}]'),
      /"hedge\.exits" is malformed \(0\.rule: /,
    ],
    ["one class", (e) => e.metadata("hedge.classes", '["a"]'), /"hedge\.classes" is malformed/],
    [
      "a name that steers terminals",
      (e) => e.metadata("hedge.name", "a\u001b[2J"),
      /"hedge\.name" .*control character/,
    ],
    [
      "pixels that do not fit a signed byte",
      (e) => e.metadata("hedge.input", '{"name":"image","pixelZero":0,"pixelStep":0.015625}'),
      /"hedge\.input" is malformed \(pixelZero: .*128\)/,
    ],
    [
      "an input that is not there",
      (e) => e.metadata("hedge.input", '{"name":"picture","pixelZero":128,"pixelStep":0.015625}'),
      /no input "picture"/,
    ],
    ["a cut that is not there", (e) => e.metadata("hedge.cut", "nowhere"), /no node makes the tensor "nowhere"/],
    ["an output that is not there", (e) => e.metadata("hedge.output", "nowhere"), /no node makes the tensor "nowhere"/],
    [
      "logits that are not there",
      (e) => e.metadata("hedge.exits", '[{"name":"e","logits":"nowhere","rule":"entropy","threshold":1}]'),
      /no node makes the tensor "nowhere"/,
    ],
    [
      "a cut that is a constant",
      (e) => e.metadata("hedge.cut", "first.weight_q"),
      /"first\.weight_q" does not depend on the image/,
    ],
    [
      "a cut behind the feature maps",
      (e) => e.metadata("hedge.cut", "exit.flat"),
      /the cut "exit\.flat" has the shape \[6\]/,
    ],
    [
      "a cut that is not quantised",
      (e) => e.metadata("hedge.cut", "layer.0.sum"),
      /error H406: .*cut "layer\.0\.sum" has integers of .* more than 8 bits hold/,
    ],
    [
      "a cut that does not separate the halves",
      (e) => e.node("cloud.relu").input.splice(0, 1, "stream.2"),
      /the cut "payload" does not separate the cloud part: Relu "Relu:cloud\.relu" also needs "stream\.2"/,
    ],
    [
      "an output in front of the cut",
      (e) => e.metadata("hedge.output", "exit_logits"),
      /also needs "stream\.2" of the edge part/,
    ],
  ]);
});
