import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrtModel } from "../../explore/ort.ts";
import { floats, model, node, QONNX_DOMAIN, value } from "../../import/onnx/build.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { isQonnx } from "../../import/onnx/quant-node.ts";
import { readTensor } from "../../import/onnx/tensor.ts";
import type { OnnxModel, OnnxTensor } from "../../import/onnx/types.ts";
import { expandQuantizers } from "./expand-quantizers.ts";

interface Spec {
  readonly scale: number;
  readonly zero: number;
  readonly bits: number;
  readonly signed: number;
  readonly narrow: number;
  readonly mode: string;
}

/** QONNX's definition, written down from its specification in the order of its steps, rounded to float32 after each. */
function defined(x: number, { scale, zero, bits, signed, narrow, mode }: Spec): number {
  const y = Math.fround(Math.fround(x / scale) + zero);
  if (bits === 1 && signed) return Math.fround(((y >= 0 ? 1 : -1) - zero) * scale);
  const low = signed ? -(2 ** (bits - 1)) + narrow : 0;
  const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1 - narrow;
  const clipped = Math.min(Math.max(y, low), high);
  const magnitude = Math.abs(clipped);
  const sign = Math.sign(clipped);
  const half = Math.abs(magnitude - Math.trunc(magnitude)) === 0.5;
  const nearest = Math.floor(Math.fround(magnitude + 0.5));
  const even = half ? sign * 2 * Math.round(magnitude / 2) : Math.round(clipped);
  const integers: Record<string, number> = {
    ROUND: even,
    HALF_EVEN: even,
    FLOOR: Math.floor(clipped),
    CEIL: Math.ceil(clipped),
    UP: sign * Math.ceil(magnitude),
    DOWN: Math.trunc(clipped),
    ROUND_TO_ZERO: Math.trunc(clipped),
    HALF_UP: sign * nearest,
    HALF_DOWN: sign * (half ? Math.floor(magnitude) : nearest),
  };
  return Math.fround(Math.fround(integers[mode]! - zero) * scale);
}

function quantModel(spec: Spec, weight?: readonly number[]): OnnxModel {
  const attributes = {
    signed: { int: spec.signed },
    narrow: { int: spec.narrow },
    rounding_mode: { string: spec.mode },
  };
  const parameters = [floats("s", [], [spec.scale]), floats("z", [], [spec.zero]), floats("b", [], [spec.bits])];
  if (!weight) {
    return model({
      nodes: [node("Quant", ["x", "s", "z", "b"], ["y"], attributes)],
      initializers: parameters,
      inputs: [value("x", ["n"])],
      outputs: [value("y", ["n"])],
    });
  }
  return model({
    nodes: [node("Quant", ["w", "s", "z", "b"], ["q"], attributes), node("Add", ["x", "q"], ["y"])],
    initializers: [...parameters, floats("w", [weight.length], weight)],
    inputs: [value("x", [1])],
    outputs: [value("y", ["n"])],
  });
}

async function run(expanded: OnnxModel, x: readonly number[]): Promise<number[]> {
  const session = await OrtModel.open(encodeModel(expanded), "test");
  const result = await session.run({ x: { dims: [x.length], data: Float32Array.from(x) } }, ["y"]);
  await session.close();
  // Adding 0 makes +0 of -0, which ROUND and FLOOR of a tiny negative number give or not.
  return [...result.get("y")!.data].map((y) => y + 0);
}

const MODES = ["ROUND", "HALF_EVEN", "FLOOR", "CEIL", "UP", "DOWN", "ROUND_TO_ZERO", "HALF_UP", "HALF_DOWN"];
const NOTABLE = [
  -1e6, -2.5, -1.5, -1, -0.75, -0.5, -0.25, -0, 0, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 127, 127.5, 128, 255.5, 1e6,
];

describe("Quant", () => {
  it.each(MODES)("with rounding %s is what QONNX defines, as an activation and as a weight", async (mode) => {
    const anySpec = fc.record({
      scale: fc.constantFrom(1, 0.5, 2 ** -6, 4),
      zero: fc.constantFrom(0, 3),
      bits: fc.constantFrom(1, 2, 4, 8),
      signed: fc.constantFrom(0, 1),
      narrow: fc.constantFrom(0, 1),
      mode: fc.constant(mode),
    });
    const numbers = fc.array(fc.float({ noNaN: true, min: -300, max: 300 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(anySpec, numbers, async (spec, random) => {
        const x = [...NOTABLE, ...NOTABLE.map((v) => v * spec.scale), ...random];
        const expected = x.map((v) => defined(Math.fround(v), spec) + 0);
        expect(await run(expandQuantizers(quantModel(spec), "m.onnx"), x)).toEqual(expected);
        const folded = expandQuantizers(quantModel(spec, x), "m.onnx");
        expect(folded.graph.node.map((n) => n.opType)).toEqual(["Add"]);
        expect(folded.graph.initializer.map((t) => t.name)).toEqual(["q"]);
        expect(await run(folded, [0])).toEqual(expected);
      }),
      { numRuns: 12 },
    );
  });

  it("with a step that is no power of two is what QONNX defines, too", async () => {
    const spec = { scale: Math.fround(0.1), zero: 0, bits: 4, signed: 1, narrow: 0, mode: "ROUND" };
    const x = Array.from({ length: 200 }, (_, i) => Math.fround((i - 100) * 0.0173));
    const expected = x.map((v) => defined(v, spec) + 0);
    expect(await run(expandQuantizers(quantModel(spec), "m.onnx"), x)).toEqual(expected);
    expect(await run(expandQuantizers(quantModel(spec, x), "m.onnx"), [0])).toEqual(expected);
  });

  it("finds its parameters in Constant nodes, too", async () => {
    const spec = { scale: 0.5, zero: 0, bits: 4, signed: 1, narrow: 0, mode: "CEIL" };
    const parts = quantModel(spec);
    const bits = parts.graph.initializer.splice(2, 1)[0]!;
    parts.graph.node.unshift(node("Constant", [], ["b"], { value: { tensor: bits } }));
    expect(await run(expandQuantizers(parts, "m.onnx"), [-9, 0.6, 9])).toEqual([-4, 1, 3.5]);
  });

  it("leaves out what does nothing: scale 1, zero point 0", () => {
    const spec = { scale: 1, zero: 0, bits: 8, signed: 1, narrow: 0, mode: "FLOOR" };
    expect(expandQuantizers(quantModel(spec), "m.onnx").graph.node.map((n) => n.opType)).toEqual(["Clip", "Floor"]);
  });

  it("of weights takes one scale per channel", () => {
    const weights = Array.from({ length: 12 }, (_, i) => i / 4);
    const parts = model({
      nodes: [
        node("Quant", ["w", "s", "z", "b"], ["q"], { signed: { int: 1 }, narrow: { int: 1 } }),
        node("Add", ["x", "q"], ["y"]),
      ],
      initializers: [
        floats("w", [3, 2, 2], weights),
        floats("s", [3, 1, 1], [1, 2, 0.25]),
        floats("z", [], [0]),
        floats("b", [], [8]),
      ],
      inputs: [value("x", [1])],
      outputs: [value("y", [3, 2, 2])],
    });
    const q = expandQuantizers(parts, "m.onnx").graph.initializer.find((t) => t.name === "q") as OnnxTensor;
    const { dims, data } = readTensor(q, "m.onnx");
    expect(dims).toEqual([3, 2, 2]);
    expect([...data]).toEqual([0, 0, 0, 1, 0, 2, 2, 2, 2, 2.25, 2.5, 2.75]);
    parts.graph.initializer[1] = floats("s", [2, 1, 1], [1, 2]);
    expect(() => expandQuantizers(parts, "m.onnx")).toThrow(/Quant "Quant:q": a parameter of the shape \[2,1,1\]/);
  });

  it("takes narrow range when it does not say, as QONNX does", async () => {
    const parts = quantModel({ scale: 1, zero: 0, bits: 8, signed: 1, narrow: 0, mode: "ROUND" });
    parts.graph.node[0]!.attribute = parts.graph.node[0]!.attribute.filter((a) => a.name !== "narrow");
    expect(await run(expandQuantizers(parts, "m.onnx"), [-128])).toEqual([-127]);
  });
});

describe("BipolarQuant", () => {
  it.each([1, 0.5])("with scale %s gives +scale from 0 on", async (scale) => {
    const parts = model({
      nodes: [node("BipolarQuant", ["x", "s"], ["y"])],
      initializers: [floats("s", [], [scale])],
      inputs: [value("x", ["n"])],
      outputs: [value("y", ["n"])],
    });
    const expected = [-scale, -scale, scale, scale, scale];
    expect(await run(expandQuantizers(parts, "m.onnx"), [-3, -1e-30, -0, 0, 7])).toEqual(expected);
  });
});

describe("Trunc", () => {
  const parts = (inputs: readonly string[]) =>
    model({
      nodes: [node("Trunc", inputs, ["y"], { rounding_mode: { string: "FLOOR" } })],
      initializers: [
        floats("s", [], [0.5]),
        floats("z", [], [0]),
        floats("in", [], [8]),
        floats("so", [], [2]),
        floats("zo", [], [0]),
        floats("out", [], [4]),
      ],
      inputs: [value("x", ["n"])],
      outputs: [value("y", ["n"])],
    });
  it("drops low bits", async () => {
    const expanded = expandQuantizers(parts(["x", "s", "z", "in", "so", "zo", "out"]), "m.onnx");
    // Integers 1, 4, 7, -1, 100 over 4, rounded down, clipped to -8 ... 7, worth 2 each.
    expect(await run(expanded, [0.5, 2, 3.5, -0.5, 50])).toEqual([0, 2, 2, -2, 14]);
  });
  it("drops low bits in version 1, and keeps the scale", async () => {
    const expanded = expandQuantizers(parts(["x", "s", "z", "in", "out"]), "m.onnx");
    // Integers 1, 4, 17, -1, 100 over 16, rounded down, worth 0.5 each.
    expect(await run(expanded, [0.5, 2, 8.5, -0.5, 50])).toEqual([0, 0, 0.5, -0.5, 3]);
  });
  it("of another form is refused", () => {
    expect(() => expandQuantizers(parts(["x", "s", "z", "in"]), "m.onnx")).toThrow(/it has 4 inputs/);
  });
});

describe("a model", () => {
  const spec = { scale: 1, zero: 0, bits: 8, signed: 1, narrow: 0, mode: "FLOOR" };
  it("without quantisers is left as it is", () => {
    const plain = model({ nodes: [node("Relu", ["x"], ["y"])], inputs: [value("x", [1])], outputs: [value("y", [1])] });
    expect(expandQuantizers(plain, "m.onnx")).toBe(plain);
  });
  it("imports QONNX's domain no longer", () => {
    const expanded = expandQuantizers(quantModel(spec), "m.onnx");
    expect(expanded.opsetImport).toEqual([{ domain: "", version: 13 }]);
    expect(expanded.graph.node.some(isQonnx)).toBe(false);
  });
  const set = (m: OnnxModel, index: number, value: number) => {
    const name = m.graph.initializer[index]!.name!;
    m.graph.initializer[index] = floats(name, [], [value]);
  };
  it.each<[string, (m: OnnxModel) => unknown, RegExp]>([
    [
      "another operator of QONNX",
      (m) => Object.assign(m.graph.node[0]!, { opType: "FloatQuant" }),
      /FloatQuant "Quant:y": this operator of QONNX cannot be expanded/,
    ],
    [
      "an unknown rounding mode",
      (m) => Object.assign(m.graph.node[0]!.attribute[2]!, { s: Buffer.from("DPU") }),
      /Quant "Quant:y": its rounding mode is "DPU"/,
    ],
    [
      "a computed bit width",
      (m) => m.graph.node[0]!.input.splice(3, 1, "x"),
      /Quant "Quant:y": its bit width is not a single constant/,
    ],
    ["0 bits", (m) => set(m, 2, 0), /bit width is 0/],
    ["a scale of 0", (m) => set(m, 0, 0), /not positive/],
    ["a missing input", (m) => m.graph.node[0]!.input.pop(), /lacks input 3/],
    ["an old operator set", (m) => m.opsetImport.splice(0, 1, { domain: "", version: 9 }), /operator set 9/],
  ])("with %s is refused by name", (_, change, message) => {
    const bad = quantModel(spec);
    expect(bad.graph.node[0]!.domain).toBe(QONNX_DOMAIN);
    change(bad);
    expect(() => expandQuantizers(bad, "bad.onnx")).toThrow(message);
    expect(() => expandQuantizers(bad, "bad.onnx")).toThrow(/bad\.onnx/);
  });
});
