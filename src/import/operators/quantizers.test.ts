/** Quantisers per channel, on weights, in all domains; rounding is in ../quantizers.test.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { integerOf } from "../../graph/grid.ts";
import { ROUNDING } from "../../graph/operators/quant.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, node } from "../onnx/build.ts";
import { QONNX_DOMAINS } from "../onnx/quant-node.ts";
import { readNumbers } from "../onnx/tensor.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../onnx/types.ts";

const SIGNED = { signed: { int: 1 }, narrow: { int: 0 } };
const scalar = (name: string, value: number) => floats(name, [], [value]);

describe("a quantiser per channel is onnxruntime's", () => {
  it.each<[string, number[], number[]]>([
    ["of a map", [1, 3, 4, 5], [1, 3, 1, 1]],
    ["of a map, without the batch", [1, 3, 4, 5], [3, 1, 1]],
    ["of a signal", [1, 3, 9], [1, 3, 1]],
    ["of a vector", [1, 3], [3]],
    ["of one channel", [1, 1, 4, 4], [1, 1, 1, 1]],
  ])("%s", async (_, dims, shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const initializers = [
      floats("s", shape, [0.5, 0.3, 2].slice(0, count)),
      floats("z", shape, [0, 1, -2].slice(0, count)),
      scalar("b", 4),
    ];
    await expectAsOrt({ nodes: [node("Quant", ["x", "s", "z", "b"], ["y"], SIGNED)], dims, initializers });
    await expectAsOrt({ nodes: [node("BipolarQuant", ["x", "s"], ["y"])], dims, initializers });
  });

  it("along another axis turns the tensor, here the input itself", async () => {
    const initializers = [floats("s", [5], [0.5, 0.25, 1, 2, 4]), scalar("z", 0), scalar("b", 3)];
    const nodes = [node("Quant", ["x", "s", "z", "b"], ["y"], SIGNED)];
    const graph = await expectAsOrt({ nodes, dims: [1, 3, 4, 5], initializers });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["quant", "transpose"]);
  });

  it("refuses scales along two axes", () => {
    const initializers = [
      floats(
        "s",
        [3, 4, 1],
        eighths(12, 1).map((v) => Math.abs(v) + 1),
      ),
      scalar("z", 0),
      scalar("b", 3),
    ];
    const small = { nodes: [node("Quant", ["x", "s", "z", "b"], ["y"])], dims: [1, 3, 4, 5], initializers };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(/its scale has the shape \[3,4,1\]/);
  });
});

describe("Trunc", () => {
  const TRUNC = ["x", "s", "z", "in", "out", "oz", "b"];
  const trunc = (attributes: Record<string, AttributeValue>, parameters: Partial<Record<string, number>> = {}) => ({
    nodes: [node("Trunc", TRUNC, ["y"], attributes)],
    dims: [1, 64],
    initializers: Object.entries({ s: 0.125, z: 0, in: 8, out: 0.5, oz: 0, b: 4, ...parameters }).map(([name, value]) =>
      scalar(name, value!),
    ),
  });

  it("in any rounding mode and range is its expansion on onnxruntime", async () => {
    const any = fc.record({
      rounding: fc.constantFrom(undefined, ...Object.keys(ROUNDING)),
      signed: fc.constantFrom(0, 1),
      narrow: fc.constantFrom(0, 1),
      zero: fc.constantFrom(0, 4, -8),
      bits: fc.integer({ min: 2, max: 8 }),
      out: fc.constantFrom(0.125, 0.25, 0.5, 2),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ rounding, signed, narrow, zero, bits, out }) => {
        const mode: Record<string, AttributeValue> =
          rounding === undefined ? {} : { rounding_mode: { string: rounding } };
        const attributes = { signed: { int: signed }, narrow: { int: narrow }, ...mode };
        const graph = await expectAsOrt(trunc(attributes, { z: zero, b: bits, out }));
        expect(graph.nodes[0]!.op).toBe("trunc");
      }),
      { numRuns: 30 },
    );
  });

  it("of weights is evaluated, and they keep their integers", () => {
    const { initializers } = trunc({});
    const nodes = [node("Trunc", ["w", ...TRUNC.slice(1)], ["t"]), node("MatMul", ["x", "t"], ["y"])];
    const small = { nodes, dims: [1, 2], initializers: [...initializers, floats("w", [2, 1], [1.25, -0.625])] };
    const { edge } = importModel(smallModel(small), "m.onnx");
    // 10 / 4 and -5 / 4, rounded down.
    expect(edge.tensors.get("t")!.values).toEqual(Float64Array.of(2 * 0.5, -2 * 0.5));
    expect(edge.tensors.get("t")!.grid).toEqual({ step: 0.5, min: -2, max: 2 });
  });

  it("in version 1 keeps the scale, and is its expansion, too", async () => {
    const { initializers } = trunc({}, { out: 5 });
    const nodes = [
      node("Quant", ["x", "s", "z", "in"], ["q"], SIGNED),
      node("Trunc", ["q", ...TRUNC.slice(1, 5)], ["y"]),
    ];
    const graph = await expectAsOrt({ nodes, dims: [1, 64], initializers });
    // 8 bits, less 3, on the same step.
    expect(graph.tensors.get("y")!.grid).toEqual({ step: 0.125, min: -16, max: 15 });
  });

  it.each<[string, Partial<Record<string, number>>, number, RegExp]>([
    ["scales that are none", { out: 0 }, 7, /its scale 0 is not positive/],
    ["bits that are none", { b: 33 }, 7, /its bit width is 33/],
    ["zero points of version 1", { z: 4, out: 5 }, 5, /its zero point is 4 in version 1/],
    ["half bits of version 1", { out: 5.5 }, 5, /it drops 2\.5 bits/],
    ["the six inputs that its documentation once named", {}, 6, /it has 6 inputs/],
  ])("refuses %s", (_, parameters, inputs, message) => {
    const small = { ...trunc({}, parameters), nodes: [node("Trunc", TRUNC.slice(0, inputs), ["y"])] };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
  });
});

it.each([...QONNX_DOMAINS])("the domain %s means the same", (domain) => {
  const one: OnnxNode = { ...node("IntQuant", ["x", "s", "z", "b"], ["y"], SIGNED), domain };
  const plain = smallModel({
    nodes: [one],
    dims: [1, 3],
    initializers: [scalar("s", 0.5), scalar("z", 0), scalar("b", 4)],
  });
  const model: OnnxModel = {
    ...plain,
    opsetImport: [
      { domain: "", version: 13 },
      { domain, version: 1 },
    ],
  };
  expect(importModel(model, "m.onnx").edge.nodes.map(({ op, attributes }) => [op, attributes.bits])).toEqual([
    ["quant", 4],
  ]);
});

describe("weights behind a quantiser keep their integers", () => {
  const parameters = (scale: OnnxTensor) => [scale, scalar("z", 0), scalar("b", 4)];
  const quantised = node("Quant", ["w", "s", "z", "b"], ["q"], SIGNED);

  it("on one scale, which need not be a power of two", () => {
    const nodes = [
      quantised,
      node("Transpose", ["q"], ["t"], { perm: { ints: [3, 2, 0, 1] } }),
      node("Conv", ["x", "t"], ["y"]),
    ];
    const scale = Math.fround(0.3);
    const weights = floats("w", [3, 3, 2, 5], eighths(90, 2));
    const small = { nodes, dims: [1, 2, 5, 5], initializers: [weights, ...parameters(scalar("s", scale))] };
    const { edge } = importModel(smallModel(small), "m.onnx");
    const { values, grid } = edge.tensors.get("t")!;
    expect(grid).toEqual({ step: scale, min: -8, max: 7 });
    for (const value of values!) expect(value).toBe(integerOf(value, grid!) * scale);
    expect(edge.nodes.map(({ op }) => op)).toEqual(["conv"]);
  });

  it.each(["before", "behind"])("on a scale per output, with the transpose %s", async (where) => {
    const [shape, own] =
      where === "behind"
        ? [
            [2, 5],
            [1, 5],
          ]
        : [
            [5, 2],
            [5, 1],
          ];
    const nodes = [
      quantised,
      node("Transpose", ["q"], ["t"]),
      node("Gemm", ["x", where === "behind" ? "q" : "t"], ["y"]),
    ];
    const scales = floats("s", own, [0.1, 0.2, 0.3, 0.5, 0.7]);
    const graph = await expectAsOrt({
      nodes,
      dims: [1, 2],
      initializers: [floats("w", shape, eighths(10, 3)), ...parameters(scales)],
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["gemm", "mul"]);
    const integers = graph.tensors.get(graph.nodes[0]!.inputs[1]!)!;
    expect(integers.grid!.step).toBe(1);
    expect(graph.tensors.get(graph.nodes[1]!.inputs[1]!)!.values).toEqual(readNumbers(scales, "m.onnx").data);
  });

  it("and a bias on the accumulator's step goes into the sum, another behind it", async () => {
    const nodes = [
      node("Quant", ["v", "vs", "z", "vb"], ["vq"], SIGNED),
      quantised,
      node("Quant", ["x", "xs", "z", "vb"], ["xq"], SIGNED),
      node("Gemm", ["xq", "q", "vq"], ["y"], { transB: { int: 1 } }),
    ];
    const initializers = (step: number) => [
      floats("w", [3, 2], eighths(6, 3)),
      floats("v", [3], [10.3, -4.7, 0.2]),
      scalar("vs", step),
      scalar("vb", 16),
      scalar("xs", Math.fround(0.05)),
      ...parameters(scalar("s", Math.fround(0.3))),
    ];
    // As exporters compute it: the product of two float32 scales, rounded to float32.
    const product = Math.fround(Math.fround(0.05) * Math.fround(0.3));
    const inside = await expectAsOrt({ nodes, dims: [1, 2], initializers: initializers(product) });
    expect(inside.nodes.map(({ op }) => op)).toEqual(["quant", "gemm"]);
    expect(inside.tensors.get("y")!.grid!.step).toBe(Math.fround(0.05) * Math.fround(0.3));
    const behind = await expectAsOrt({ nodes, dims: [1, 2], initializers: initializers(0.01) });
    expect(behind.nodes.map(({ op }) => op)).toEqual(["quant", "gemm", "add"]);
    expect(behind.tensors.get(behind.nodes[1]!.output)!.grid).toBeDefined();
  });
});
