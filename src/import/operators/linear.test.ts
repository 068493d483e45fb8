import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { type AttributeValue, floats, node } from "../onnx/build.ts";

const CHANNELS = [1, 3, 31, 32, 33, 63, 64, 65];
const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const weights = (name: string, dims: readonly number[], seed = 5) => floats(name, dims, eighths(product(dims), seed));

const geometry = fc.record({
  axes: fc.constantFrom(1, 2),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
  dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  auto: fc.constantFrom(undefined, undefined, "VALID", "SAME_UPPER", "SAME_LOWER"),
  size: fc.tuple(fc.integer({ min: 7, max: 9 }), fc.integer({ min: 7, max: 11 })),
});
type Geometry = typeof geometry extends fc.Arbitrary<infer T> ? T : never;

function windowAttributes({ axes, kernel, strides, dilations, pads, auto }: Geometry): Record<string, AttributeValue> {
  const own = (values: readonly number[]) => ({ ints: values.slice(2 - axes) });
  const explicit = { pads: { ints: axes === 2 ? pads : [pads[1]!, pads[3]!] } };
  // onnxruntime takes automatic padding without dilations only.
  const padding = auto === undefined ? explicit : { auto_pad: { string: auto } };
  return {
    kernel_shape: own(kernel),
    strides: own(strides),
    ...(auto === undefined && { dilations: own(dilations) }),
    ...padding,
  };
}

describe("Conv", () => {
  it("with any geometry, group and channels is onnxruntime's", async () => {
    const any = fc.record({
      geometry,
      channels: fc.constantFrom(...CHANNELS),
      outputs: fc.constantFrom(1, 2, 3, 33),
      group: fc.constantFrom("none", "depthwise", "two"),
      bias: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ geometry: g, channels, outputs, group, bias }) => {
        const groups = group === "depthwise" ? channels : group === "two" && channels % 2 === 0 ? 2 : 1;
        const all = groups === channels ? channels * (outputs % 3 || 1) : groups * outputs;
        const kernel = g.kernel.slice(2 - g.axes);
        const attributes = { ...windowAttributes(g), group: { int: groups } };
        const initializers = [
          weights("w", [all, channels / groups, ...kernel]),
          ...(bias ? [weights("b", [all])] : []),
        ];
        await expectAsOrt({
          nodes: [node("Conv", ["x", "w", ...(bias ? ["b"] : [])], ["y"], attributes)],
          dims: ["N", channels, ...g.size.slice(2 - g.axes)],
          initializers,
        });
      }),
      { numRuns: 40 },
    );
  });

  it.each<[string, number[], Record<string, AttributeValue>, RegExp]>([
    ["3-D kernels", [2, 2, 1, 1, 1], {}, /its weight has 5 dimensions/],
    ["a group that does not divide", [2, 2, 1, 1], { group: { int: 3 } }, /2 outputs do not divide into 3 groups/],
    ["a group of none", [2, 2, 1, 1], { group: { int: 0 } }, /its group is 0/],
    ["channels that do not fit", [2, 3, 1, 1], {}, /weights expect 3 input channels, the input has 2/],
    ["another kernel", [2, 2, 1, 1], { kernel_shape: { ints: [3, 3] } }, /its kernel_shape is \[3,3\]/],
    ["strides of none", [2, 2, 1, 1], { strides: { ints: [0, 1] } }, /its strides are \[0,1\]/],
    ["pads of another rank", [2, 2, 1, 1], { pads: { ints: [1, 1] } }, /its pads are \[1,1\]/],
    ["padding without end", [2, 2, 1, 1], { pads: { ints: [0, 0, 2 ** 31, 0] } }, /its pads are/],
    ["unknown automatic padding", [2, 2, 1, 1], { auto_pad: { string: "SAME" } }, /its auto_pad is "SAME"/],
    ["a kernel larger than its input", [2, 2, 9, 9], {}, /a 9x9 kernel does not fit into \[2,4,4\]/],
  ])("refuses %s", (_, dims, attributes, message) => {
    const small = {
      nodes: [node("Conv", ["x", "w"], ["y"], attributes)],
      dims: [1, 2, 4, 4],
      initializers: [weights("w", dims)],
    };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
  });

  it("refuses weights that are computed or no numbers, and biases that do not fit", () => {
    const of = (initializers: ReturnType<typeof floats>[], inputs = ["x", "w", "b"]) =>
      importModel(smallModel({ nodes: [node("Conv", inputs, ["y"])], dims: [1, 1, 4, 4], initializers }), "m.onnx");
    const w = floats("w", [1, 1, 1, 1], [1]);
    expect(() => of([], ["x", "x"])).toThrow(/its weight is not a constant/);
    expect(() => of([w, floats("b", [2], [1, 2])])).toThrow(/bias has 2 values for 1 output channels/);
    expect(() => of([w, floats("b", [1], [Number.NaN])])).toThrow(/its bias holds a value that is not finite/);
    expect(() => of([floats("w", [1, 1, 1, 1], [Number.POSITIVE_INFINITY])], ["x", "w"])).toThrow(/its weight holds/);
  });
});

describe("Gemm", () => {
  it("with any of its attributes is onnxruntime's", async () => {
    const any = fc.record({
      inputs: fc.constantFrom(...CHANNELS),
      outputs: fc.constantFrom(1, 3, 33),
      transA: fc.boolean(),
      transB: fc.boolean(),
      alpha: fc.constantFrom(1, 0.5, -0.75),
      beta: fc.constantFrom(1, 0, 2.5),
      bias: fc.constantFrom("none", "scalar", "vector", "row"),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ inputs, outputs, transA, transB, alpha, beta, bias }) => {
        const w = transB ? [outputs, inputs] : [inputs, outputs];
        const b = { none: undefined, scalar: [], vector: [outputs], row: [1, outputs] }[bias];
        const attributes = {
          transA: { int: Number(transA) },
          transB: { int: Number(transB) },
          alpha: { float: alpha },
          beta: { float: beta },
        };
        const turn = transA ? [node("Transpose", ["x"], ["t"])] : [];
        const names = [transA ? "t" : "x", "w", ...(b ? ["b"] : [])];
        await expectAsOrt({
          nodes: [...turn, node("Gemm", names, ["y"], attributes)],
          dims: ["N", inputs],
          initializers: [weights("w", w), ...(b ? [weights("b", b)] : [])],
        });
      }),
      { numRuns: 30 },
    );
  });

  it.each<[string, number[], number[], Record<string, AttributeValue>, RegExp]>([
    ["a map", [1, 2, 3], [3, 2], {}, /its input has the shape \[1,2,3\]/],
    ["weights of other inputs", [1, 3], [4, 2], {}, /weights are \[2,4\], expected \[outputs, 3\]/],
    ["weights of three dimensions", [1, 3], [3, 2, 1], {}, /its weight has the shape/],
    ["an alpha of 0", [1, 3], [3, 2], { alpha: { float: 0 } }, /its alpha is 0/],
  ])("refuses %s", (_, dims, w, attributes, message) => {
    const small = { nodes: [node("Gemm", ["x", "w"], ["y"], attributes)], dims, initializers: [weights("w", w)] };
    expect(() => importModel(smallModel(small), "m.onnx")).toThrow(message);
  });
});

describe("MatMul", () => {
  it.each([
    [
      [1, 7],
      [7, 3],
    ],
    [
      [1, 1, 7],
      [7, 3],
    ],
    [
      [1, 5, 7],
      [7, 3],
    ],
    [
      [1, 4, 5, 7],
      [7, 3],
    ],
    [
      [1, 33, 65],
      [65, 31],
    ],
  ])("[%s] by [%s] is onnxruntime's", async (dims, w) => {
    await expectAsOrt({ nodes: [node("MatMul", ["x", "w"], ["y"])], dims, initializers: [weights("w", w)] });
  });

  it("refuses what is no constant matrix on the right", () => {
    const of = (inputs: string[], w: number[]) =>
      importModel(
        smallModel({ nodes: [node("MatMul", inputs, ["y"])], dims: [1, 4], initializers: [weights("w", w)] }),
        "m.onnx",
      );
    expect(() => of(["x", "w"], [5, 2])).toThrow(/it multiplies \[1,4\] by \[5,2\]/);
    expect(() => of(["x", "w"], [2, 4, 2])).toThrow(/it multiplies/);
    expect(() => of(["w", "x"], [1, 1])).toThrow(/its input 0 is a constant/);
  });
});
