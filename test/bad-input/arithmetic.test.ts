/** Models whose arithmetic is not the trainer's: they are refused by node or compiled to what they say, never to something else. */
import { describe } from "vitest";
import { attribute, node } from "../../src/import/onnx/build.ts";
import type { ModelEditor } from "../support/edit-model.ts";
import { compiles, refuses, useBench } from "../support/refusal.ts";

const bench = useBench();
const ones = (count: number, of = 1) => new Array<number>(count).fill(of);
const ints = (name: string, ...values: number[]) => attribute(name, { ints: values });

/** Another attribute of a quantiser. */
const quantised = (edit: ModelEditor, output: string, name: string, of: number | string) => {
  const { attribute: attributes } = edit.node(output);
  const at = attributes.findIndex((each) => each.name === name);
  attributes.splice(at, 1, attribute(name, typeof of === "string" ? { string: of } : { int: of }));
};

describe("arithmetic that no kernel does:", () => {
  refuses(bench, [
    [
      "a scale of 0",
      (e) => e.constant("stream.0.scale", [], [0]),
      /Quant "Quant:stream\.0": its scale 0 is not positive/,
    ],
    [
      "a rounding mode that there is not",
      (e) => quantised(e, "stream.1", "rounding_mode", "DICE"),
      /Quant "Quant:stream\.1": its rounding mode is "DICE"/,
    ],
    ["a bit width that is none", (e) => e.constant("stream.1.bits", [], [2.5]), /its bit width is 2\.5/],
    [
      "groups",
      (e) => e.node("layer.0.conv").attribute.push(attribute("group", { int: 2 })),
      /H203 Conv "Conv:layer\.0\.conv": /,
    ],
    [
      "dilations that shrink the map in front of a sum",
      (e) => e.node("layer.0.conv").attribute.push(ints("dilations", 2, 2)),
      /Add "Add:layer\.0\.sum": its shapes \[1,3,8,8\] and \[1,3,6,6\] do not broadcast/,
    ],
    [
      "strides of 0",
      (e) => e.node("layer.0.conv").attribute.splice(0, 1, ints("strides", 0, 1)),
      /its strides are \[0,1\]/,
    ],
    [
      "an attribute of another type",
      (e) => e.node("first.conv").attribute.splice(0, 1, attribute("strides", { int: 2 })),
      /Attribute "strides" of Conv "Conv:first\.conv" is not of type INTS/,
    ],
    [
      "an attribute that nobody knows",
      (e) => e.node("exit.relu").attribute.push(attribute("slope", { float: 1 })),
      /Relu "Relu:exit\.relu": its attribute "slope" is not known/,
    ],
    [
      "training mode",
      (e) => e.node("layer.0.norm").attribute.push(attribute("training_mode", { int: 1 })),
      /its training_mode is 1/,
    ],
    [
      "a variance below zero",
      (e) => e.constant("layer.0.norm.variance", [3], ones(3, -1)),
      /layer\.0\.norm": a variance plus epsilon is not positive/,
    ],
    [
      "a mean that is no number",
      (e) => e.constant("layer.0.norm.mean", [3], ones(3, Number.NaN)),
      /its mean holds a value that is not finite/,
    ],
    ["an input too many", (e) => e.node("exit.relu").input.push("stream.0"), /Relu "Relu:exit\.relu": it has 2 inputs/],
    [
      "an input that is missing",
      (e) => e.node("exit.relu").input.splice(0, 1, "nowhere"),
      /"Relu:exit\.relu": nothing makes its input "nowhere"/,
    ],
    [
      "a tensor that is made twice",
      (e) => e.model.graph.node.push(node("Relu", ["stream.0"], ["stream.1"])),
      /Relu "Relu:stream\.1" makes the tensor "stream\.1", which is there already/,
    ],
    ["a circle", (e) => e.node("first.conv").input.splice(0, 1, "stream.1"), /depends on itself/],
    [
      "sums beyond float32",
      (e) => e.constant("first.bias", [3], ones(3, 2 ** 12 + 2 ** -11)),
      /"Conv:first\.conv" \(conv\)/,
    ],
    [
      "a cloud part of another domain",
      (e) => Object.assign(e.node("cloud.relu"), { domain: "com.acme" }),
      /does not import the operator set "com\.acme" of Relu "Relu:cloud\.relu"/,
    ],
    [
      "weights in another file",
      (e) =>
        Object.assign(e.model.graph.initializer.find(({ name }) => name === "fc.weight")!, {
          dataLocation: 1,
          externalData: [{ key: "location", value: "/etc/passwd" }],
        }),
      /error H106: Tensor "fc\.weight" .* names the data file "\/etc\/passwd", which is not in the model's folder/,
    ],
  ]);
});

describe("arithmetic other than the trainer's, which compiles all the same:", () => {
  compiles([
    ["weights off the grid", (e) => e.constant("first.weight_q.scale", [], [0.003])],
    ["a bias off the grid", (e) => e.constant("first.bias", [3], [0.1, 0.2, 0.3])],
    ["a stream whose scale is no power of two", (e) => e.constant("stream.0.scale", [], [0.3])],
    ["alpha off the grid", (e) => e.constant("layer.0.alpha_q.scale", [], [0.003])],
    ["rounding to the nearest", (e) => quantised(e, "stream.1", "rounding_mode", "ROUND")],
    ["a narrow range", (e) => quantised(e, "stream.1", "narrow", 1)],
    ["a stream of four bits", (e) => e.constant("stream.1.bits", [], [4])],
    ["a signed exit", (e) => quantised(e, "exit.pool_q", "signed", 1)],
    ["zeros around a binarized map", (e) => e.constant("layer.0.padValue", [], [0])],
    [
      "zeros around a binarized map, by the convolution",
      (e) => {
        e.node("layer.0.conv").input[0] = "layer.0.sign";
        e.node("layer.0.conv").attribute.push(ints("pads", 1, 1, 1, 1));
      },
    ],
    [
      "another step of pixels than the input's quantiser has",
      (e) => e.metadata("hedge.input", '{"name":"image","pixelZero":128,"pixelStep":0.03125}'),
    ],
    ["automatic padding", (e) => e.node("first.conv").attribute.push(attribute("auto_pad", { string: "SAME_UPPER" }))],
    ["rounding up in pooling", (e) => e.node("exit.pool").attribute.push(attribute("ceil_mode", { int: 1 }))],
    ["another order than a kernel's", (e) => e.node("exit.pool").input.splice(0, 1, "exit.shifted")],
  ]);
});
