/** Models whose arithmetic no kernel does: they are refused by node, never compiled to something else. */
import { describe } from "vitest";
import { attribute, node } from "../../src/import/onnx/build.ts";
import type { ModelEditor } from "../support/edit-model.ts";
import { refuses, useBench } from "../support/refusal.ts";

const bench = useBench();
const ones = (count: number, of = 1) => new Array<number>(count).fill(of);
const ints = (name: string, ...values: number[]) => attribute(name, { ints: values });

describe("arithmetic that no kernel does:", () => {
  const quantised = (edit: ModelEditor, output: string, name: string, of: number | string) => {
    const { attribute: attributes } = edit.node(output);
    const at = attributes.findIndex((each) => each.name === name);
    attributes.splice(at, 1, attribute(name, typeof of === "string" ? { string: of } : { int: of }));
  };
  refuses(bench, [
    [
      "weights off the grid",
      (e) => e.constant("first.weight_q.scale", [], [0.003]),
      /"Conv:first\.conv" \(conv\) has weights or a bias off the integer grid/,
    ],
    [
      "a bias off the grid",
      (e) => e.constant("first.bias", [3], [0.1, 0.2, 0.3]),
      /"Conv:first\.conv" .*off the integer grid/,
    ],
    [
      "a stream whose scale is no power of two",
      (e) => e.constant("stream.0.scale", [], [0.3]),
      /"Quant:stream\.0" \(quant\) works on "stream\.0", which is off the integer grid/,
    ],
    [
      "alpha off the grid",
      (e) => e.constant("layer.0.alpha_q.scale", [], [0.003]),
      /"Add:layer\.0\.sum" \(add\) works on "layer\.0\.sum", which is off the integer grid/,
    ],
    [
      "a scale of 0",
      (e) => e.constant("stream.0.scale", [], [0]),
      /Quant "Quant:stream\.0": its scale 0 is not positive/,
    ],
    [
      "rounding to the nearest",
      (e) => quantised(e, "stream.1", "rounding_mode", "ROUND"),
      /"Quant:stream\.1" rounds by ROUND, the kernels round down/,
    ],
    [
      "a rounding mode that there is not",
      (e) => quantised(e, "stream.1", "rounding_mode", "DICE"),
      /Quant "Quant:stream\.1": its rounding mode is "DICE"/,
    ],
    [
      "a narrow range",
      (e) => quantised(e, "stream.1", "narrow", 1),
      /"Quant:stream\.1" quantises to -127 \.\.\. 127, the kernel to -128 \.\.\. 127/,
    ],
    [
      "a stream of four bits",
      (e) => e.constant("stream.1.bits", [], [4]),
      /"Quant:stream\.1" quantises to -8 \.\.\. 7, the kernel to -128 \.\.\. 127/,
    ],
    ["a bit width that is none", (e) => e.constant("stream.1.bits", [], [2.5]), /its bit width is 2\.5/],
    [
      "a signed exit",
      (e) => quantised(e, "exit.pool_q", "signed", 1),
      /"Quant:exit\.pool_q" quantises to -128 \.\.\. 127, the kernel to 0 \.\.\. 255/,
    ],
    [
      "zeros around a binarized map",
      (e) => e.constant("layer.0.padValue", [], [0]),
      /"Conv:layer\.0\.conv" \(conv\) pads a binarized map with 0/,
    ],
    [
      "zeros around a binarized map, by the convolution",
      (e) => {
        e.node("layer.0.conv").input[0] = "layer.0.sign";
        e.node("layer.0.conv").attribute.push(ints("pads", 1, 1, 1, 1));
      },
      /"Conv:layer\.0\.conv" \(conv\) pads a binarized map with 0/,
    ],
    [
      "groups",
      (e) => e.node("layer.0.conv").attribute.push(attribute("group", { int: 3 })),
      /"Conv:layer\.0\.conv": its group is 3/,
    ],
    ["dilations", (e) => e.node("layer.0.conv").attribute.push(ints("dilations", 2, 2)), /its dilations is \[2,2\]/],
    [
      "automatic padding",
      (e) => e.node("first.conv").attribute.push(attribute("auto_pad", { string: "SAME_UPPER" })),
      /its auto_pad is "SAME_UPPER"/,
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
      "rounding up in pooling",
      (e) => e.node("exit.pool").attribute.push(attribute("ceil_mode", { int: 1 })),
      /its ceil_mode is 1/,
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
      "another order than a kernel's",
      (e) => e.node("exit.pool").input.splice(0, 1, "exit.shifted"),
      /"AveragePool:exit\.pool" \(averagePool\) reads "exit\.shifted" from sub "Sub:exit\.shifted", where a kernel needs relu/,
    ],
    [
      "a second convolution of the image",
      (e) => {
        const padded = { pads: { ints: [1, 1, 1, 1] } };
        const { input, attribute: attributes } = e.node("stream.0");
        const quant = { ...node("Quant", ["other", ...input.slice(1)], ["again"]), attribute: attributes };
        e.model.graph.node.push(node("Conv", ["image_q", "first.weight_q", "first.bias"], ["other"], padded), quant);
        e.metadata("hedge.cut", "again");
      },
      /"again" reads the input, which "stream\.0" takes apart/,
    ],
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
      /"fc\.weight" .*another file/,
    ],
  ]);
});
