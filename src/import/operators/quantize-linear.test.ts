import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eighths, expectAsOrt, smallModel } from "../../../test/support/against-ort.ts";
import { importModel } from "../import.ts";
import { floats, node } from "../onnx/build.ts";
import { writeTensor } from "../onnx/tensor.ts";
import type { OnnxTensor } from "../onnx/types.ts";

const int8 = (name: string, dims: readonly number[], values: readonly number[]) =>
  writeTensor(name, "INT8", dims, Int8Array.from(values));
const uint8 = (name: string, dims: readonly number[], values: readonly number[]) =>
  writeTensor(name, "UINT8", dims, Uint8Array.from(values));
/** Between ties and off them: halves of the scale, and what float32 makes of others. */
const SCALES = [0.25, 0.0625, Math.fround(0.03), 1.5];

describe("a pair of QuantizeLinear and DequantizeLinear", () => {
  const pair = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])];

  it("is onnxruntime's for any scale, type and zero point, at ties, too", async () => {
    const any = fc.record({
      scale: fc.constantFrom(...SCALES),
      zero: fc.integer({ min: -128, max: 127 }),
      signed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(any, async ({ scale, zero, signed }) => {
        const z = signed ? int8("z", [], [zero]) : uint8("z", [], [zero + 128]);
        const graph = await expectAsOrt({ nodes: pair, dims: [1, 200], initializers: [floats("s", [], [scale]), z] });
        expect(graph.nodes.map(({ op }) => op)).toEqual(["quant"]);
      }),
      { numRuns: 30 },
    );
  });

  it("per channel is onnxruntime's", async () => {
    const axis = { axis: { int: 1 } };
    const nodes = [
      node("QuantizeLinear", ["x", "s", "z"], ["q"], axis),
      node("DequantizeLinear", ["q", "s", "z"], ["y"], axis),
    ];
    const initializers = [floats("s", [3], [0.25, 0.3, 0.5]), int8("z", [3], [0, 3, -7])];
    await expectAsOrt({ nodes, dims: [1, 3, 4, 5], initializers });
  });

  it("without a zero point is of uint8", async () => {
    const nodes = [node("QuantizeLinear", ["x", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["y"])];
    const graph = await expectAsOrt({ nodes, dims: [1, 9], initializers: [floats("s", [], [0.25])] });
    expect(graph.tensors.get("y")!.grid).toEqual({ step: 0.25, min: 0, max: 255 });
  });

  it("lets operators that move or compare integers stand in between", async () => {
    const nodes = [
      node("QuantizeLinear", ["x", "s", "z"], ["q"]),
      node("MaxPool", ["q"], ["m"], { kernel_shape: { ints: [2, 2] } }),
      node("Transpose", ["m"], ["t"], { perm: { ints: [0, 2, 3, 1] } }),
      node("Flatten", ["t"], ["f"]),
      node("DequantizeLinear", ["f", "s", "z"], ["y"]),
    ];
    await expectAsOrt({ nodes, dims: [1, 3, 5, 5], initializers: [floats("s", [], [0.25]), int8("z", [], [3])] });
  });

  it.each([
    [-8, 7, 4],
    [-7, 7, 4],
    [-2, 1, 2],
    [-127, 127, 8],
  ])("clipped to %i ... %i is a quantiser of %i bits, as Brevitas writes it", async (low, high, bits) => {
    const nodes = [
      node("QuantizeLinear", ["x", "s", "z"], ["q"]),
      node("Clip", ["q", "low", "high"], ["c"]),
      node("DequantizeLinear", ["c", "s", "z"], ["d"]),
      node("Clip", ["wq", "low", "high"], ["wc"]),
      node("DequantizeLinear", ["wc", "ws", "z"], ["w"]),
      node("MatMul", ["d", "w"], ["y"]),
    ];
    const graph = await expectAsOrt({
      nodes,
      dims: [1, 6],
      initializers: [
        floats("s", [], [0.25]),
        floats("ws", [], [0.5]),
        int8("z", [], [0]),
        int8("low", [], [low]),
        int8("high", [], [high]),
        int8("wq", [6, 1], [-128, -8, -1, 0, 5, 127]),
      ],
    });
    expect(graph.nodes.map(({ op, attributes }) => [op, attributes.bits])).toEqual([
      ["quant", bits],
      ["gemm", undefined],
    ]);
    expect(graph.tensors.get("w")!.grid).toEqual({ step: 0.5, min: low, max: Math.min(high, 127) });
  });

  it.each<[string, ReturnType<typeof node>[], RegExp]>([
    [
      "two scales",
      [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "t", "z"], ["y"])],
      /is not its QuantizeLinear's/,
    ],
    [
      "sums of integers",
      [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("Add", ["q", "q"], ["y"])],
      /"q" holds quantised integers/,
    ],
    [
      "a range of no bits",
      [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("Clip", ["q", "z", "z"], ["c"]),
        node("DequantizeLinear", ["c", "s", "z"], ["y"]),
      ],
      /it clips quantised integers to 0 \.\.\. 0/,
    ],
    ["nothing quantised", [node("DequantizeLinear", ["x", "s", "z"], ["y"])], /no QuantizeLinear's output/],
    [
      "int32",
      [node("QuantizeLinear", ["x", "s", "i"], ["q"]), node("DequantizeLinear", ["q", "s", "i"], ["y"])],
      /it quantises to INT32/,
    ],
    [
      "scales that do not fit",
      [node("QuantizeLinear", ["x", "two", "z"], ["q"]), node("DequantizeLinear", ["q", "two", "z"], ["y"])],
      /its scale has 2 values/,
    ],
    [
      "negative scales",
      [node("QuantizeLinear", ["x", "n", "z"], ["q"]), node("DequantizeLinear", ["q", "n", "z"], ["y"])],
      /its scale -1 is not positive/,
    ],
  ])("refuses %s", (_, nodes, message) => {
    const initializers = [
      floats("s", [], [0.25]),
      floats("t", [], [0.5]),
      floats("n", [], [-1]),
      floats("two", [2], [1, 1]),
      int8("z", [], [0]),
      writeTensor("i", "INT32", [], Int32Array.of(0)),
    ];
    expect(() => importModel(smallModel({ nodes, dims: [1, 3, 4, 4], initializers }), "m.onnx")).toThrow(message);
  });
});

describe("a convolution as onnxruntime's quantiser writes it", () => {
  const scales = [0.01, 0.02, Math.fround(0.015)];
  const weights = (): OnnxTensor[] => [
    int8(
      "w",
      [3, 2, 3, 3],
      [...eighths(54, 5)].map((v) => v * 31),
    ),
    floats("ws", [3], scales),
    int8("wz", [3], [0, 0, 0]),
    writeTensor("b", "INT32", [3], Int32Array.of(1000, -70000, 3)),
    floats(
      "bs",
      [3],
      scales.map((scale) => Math.fround(scale * Math.fround(0.05))),
    ),
    writeTensor("bz", "INT32", [3], Int32Array.of(0, 0, 0)),
    floats("s", [], [0.05]),
    int8("z", [], [-5]),
  ];
  const nodes = [
    node("QuantizeLinear", ["x", "s", "z"], ["q"]),
    node("DequantizeLinear", ["q", "s", "z"], ["d"]),
    node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], { axis: { int: 0 } }),
    node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], { axis: { int: 0 } }),
    node("Conv", ["d", "wd", "bd"], ["y"], { pads: { ints: [1, 1, 1, 1] } }),
  ];

  it("sums integers, its bias among them, and scales the sums", async () => {
    const graph = await expectAsOrt({ nodes, dims: [1, 2, 6, 7], initializers: weights() });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["quant", "conv", "mul"]);
    const [, conv] = graph.nodes;
    const [w, b] = conv!.inputs.slice(1).map((name) => graph.tensors.get(name)!);
    expect(w!.grid!.step).toBe(1);
    expect([...b!.values!].map((v) => Math.round(v / b!.grid!.step))).toEqual([1000, -70000, 3]);
    expect(graph.tensors.get(conv!.output)!.grid!.step).toBe(Math.fround(0.05));
  });

  it("takes weights that are quantised in the file, too", async () => {
    const quantised = [node("QuantizeLinear", ["wf", "ws", "wz"], ["w"], { axis: { int: 0 } }), ...nodes];
    const initializers = weights().filter(({ name }) => name !== "w");
    const graph = await expectAsOrt({
      nodes: quantised,
      dims: [1, 2, 6, 7],
      initializers: [...initializers, floats("wf", [3, 2, 3, 3], eighths(54, 5))],
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["quant", "conv", "mul"]);
  });
});
