import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, int64s, node } from "../onnx/build.ts";

const pool = fc
  .record({
    axes: fc.constantFrom(1, 2),
    channels: fc.constantFrom(1, 3, 33),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    shares: fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 4, maxLength: 4 }),
    size: fc.tuple(fc.integer({ min: 6, max: 9 }), fc.integer({ min: 6, max: 11 })),
    auto: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
  })
  .map(({ axes, channels, kernel, strides, shares, size, auto }) => {
    // ONNX: padding narrower than the window.
    const pads = shares.map((share, i) => Math.floor(share * Math.min(kernel[i % 2]!, 3)));
    const own = (values: readonly number[]) => ({ ints: values.slice(2 - axes) });
    const explicit = { pads: { ints: axes === 2 ? pads : [pads[1]!, pads[3]!] } };
    const padding = auto === "NOTSET" ? explicit : { auto_pad: { string: auto } };
    // onnxruntime knows automatic padding only of windows that leave nothing out.
    const steps = auto === "NOTSET" ? strides : strides.map((stride, i) => Math.min(stride, kernel[i]!));
    const attributes: Record<string, AttributeValue> = { kernel_shape: own(kernel), strides: own(steps), ...padding };
    return { attributes, dims: [1, channels, ...size.slice(2 - axes)], axes };
  });

describe("pooling with any geometry is onnxruntime's:", () => {
  it("MaxPool", async () => {
    const any = fc.record({ pool, dilations: fc.constantFrom(1, 2), ceil: fc.constantFrom(0, 0, 1) });
    await fc.assert(
      fc.asyncProperty(any, async ({ pool: { attributes, dims, axes }, dilations, ceil }) => {
        const auto = "auto_pad" in attributes;
        const more: Record<string, AttributeValue> = auto
          ? {}
          : { ceil_mode: { int: ceil }, dilations: { ints: new Array(axes).fill(dilations) } };
        await expectAsOrt({ nodes: [node("MaxPool", ["x"], ["y"], { ...attributes, ...more })], dims });
      }),
      { numRuns: 40 },
    );
  });

  it("AveragePool", async () => {
    const any = fc.record({ pool, counts: fc.constantFrom(0, 1), ceil: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(any, async ({ pool: { attributes, dims }, counts, ceil }) => {
        // Whether padding counts that ceil_mode adds is what versions of ONNX differ on.
        const round: Record<string, AttributeValue> =
          ceil && !counts && !("auto_pad" in attributes) ? { ceil_mode: { int: 1 } } : {};
        const more = { count_include_pad: { int: counts }, ...round };
        await expectAsOrt({ nodes: [node("AveragePool", ["x"], ["y"], { ...attributes, ...more })], dims });
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ["GlobalAveragePool", [1, 3, 5, 7]],
    ["GlobalAveragePool", [1, 3, 9]],
    ["GlobalMaxPool", [1, 33, 4, 4]],
    ["GlobalMaxPool", [1, 3, 9]],
  ])("%s of [%s]", async (op, dims) => {
    await expectAsOrt({ nodes: [node(op, ["x"], ["y"])], dims });
  });
});

describe("ReduceMean", () => {
  it.each<[number[], number[], number]>([
    [[1, 3, 4, 5], [2, 3], 1],
    [[1, 3, 4, 5], [-1, -2], 0],
    [[1, 3, 4, 5], [2], 1],
    [[1, 3, 4, 5], [3], 0],
    [[1, 3, 9], [2], 0],
  ])("of [%s] over [%s], keepdims %i, is onnxruntime's", async (dims, axes, keep) => {
    const attributes = { axes: { ints: axes }, keepdims: { int: keep } };
    const graph = await expectAsOrt({ nodes: [node("ReduceMean", ["x"], ["y"], attributes)], dims });
    expect(graph.nodes[0]!.op).toBe("averagePool");
  });

  it("takes its axes as an input, too, and maps with channels last", async () => {
    const axes = [int64s("axes", [1, 2])];
    const graph = await expectAsOrt({
      nodes: [
        node("Transpose", ["x"], ["t"], { perm: { ints: [0, 2, 3, 1] } }),
        node("ReduceMean", ["t", "axes"], ["y"], { keepdims: { int: 0 } }),
      ],
      dims: [1, 3, 4, 5],
      initializers: axes,
      opset: 18,
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["averagePool", "flatten"]);
  });
});

it.each<[string, string, Record<string, AttributeValue>, RegExp]>([
  [
    "padding as wide as its window",
    "MaxPool",
    { kernel_shape: { ints: [2, 2] }, pads: { ints: [0, 2, 0, 0] } },
    /as wide as its window/,
  ],
  ["a window without a size", "AveragePool", {}, /its kernel_shape are \[\]/],
  [
    "dilated averages",
    "AveragePool",
    { kernel_shape: { ints: [2, 2] }, dilations: { ints: [2, 2] } },
    /its dilations is "2,2"/,
  ],
  [
    "column-major indices",
    "MaxPool",
    { kernel_shape: { ints: [2, 2] }, storage_order: { int: 1 } },
    /its storage_order is 1/,
  ],
  [
    "cut windows where padding counts",
    "AveragePool",
    { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] }, ceil_mode: { int: 1 }, count_include_pad: { int: 1 } },
    /its last windows are cut off/,
  ],
  ["means over channels", "ReduceMean", { axes: { ints: [1] } }, /it averages \[1,3,5,5\] over the axes \[1\]/],
  ["means over an axis that there is not", "ReduceMean", { axes: { ints: [4] } }, /its axis 4 does not exist/],
])("refuses %s", (_, op, attributes, message) => {
  const small = { nodes: [node(op, ["x"], ["y"], attributes)], dims: [1, 3, 5, 5] };
  expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
});

it("refuses a pooling of a vector, and the indices of a maximum", () => {
  const vector = { nodes: [node("GlobalMaxPool", ["x"], ["y"])], dims: [1, 3] };
  expect(() => importModel(smallModel(vector), "m.onnx")).toThrow(/its input has the shape \[1,3\]/);
  const indices = {
    nodes: [node("MaxPool", ["x"], ["y", "i"], { kernel_shape: { ints: [2, 2] } })],
    dims: [1, 3, 5, 5],
  };
  expect(() => importModel(smallModel(indices), "m.onnx")).toThrow(/it has 2 outputs/);
});
