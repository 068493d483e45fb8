/** The importer and its reference kernels against the expanded quantisers on onnxruntime: one meaning of QONNX's nodes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrtModel } from "../explore/ort.ts";
import { ROUNDING } from "../graph/operators/quant.ts";
import { runGraph } from "../graph/run.ts";
import { expandQuantizers } from "../passes/onnx/expand-quantizers.ts";
import { ImportContext } from "./context.ts";
import { type AttributeValue, floats, model, node, value } from "./onnx/build.ts";
import { encodeModel } from "./onnx/codec.ts";
import { readNumbers } from "./onnx/tensor.ts";
import type { OnnxModel } from "./onnx/types.ts";
import { importNode } from "./registry.ts";

interface Spec {
  readonly op: "Quant" | "BipolarQuant";
  readonly scale: number;
  readonly zero: number;
  readonly bits: number;
  readonly attributes: Record<string, AttributeValue>;
}

/** y = quantised x, z = x + quantised w: an activation and a weight. */
function both({ op, scale, zero, bits, attributes }: Spec, weights: readonly number[]): OnnxModel {
  const parameters = op === "Quant" ? ["s", "z", "b"] : ["s"];
  return model({
    nodes: [
      node(op, ["x", ...parameters], ["y"], attributes),
      node(op, ["w", ...parameters], ["q"], attributes),
      node("Identity", ["q"], ["weights"]),
    ],
    initializers: [
      floats("s", [], [scale]),
      floats("z", [], [zero]),
      floats("b", [], [bits]),
      floats("w", [weights.length], weights),
    ],
    inputs: [value("x", [weights.length])],
    outputs: [value("y", [weights.length]), value("weights", [weights.length])],
  });
}

/** Adding 0 makes +0 of -0, which depend on the order of operations. */
const plain = (values: Iterable<number>) => Array.from(values, (v) => v + 0);

function byReference({ graph }: OnnxModel, x: readonly number[]): [number[], number[]] {
  const options = { file: "m.onnx", opset: 13, outputs: new Set<string>(), names: new Set<string>() };
  const context = new ImportContext("m", options);
  for (const tensor of graph.initializer) context.constants.set(tensor.name!, readNumbers(tensor, "m.onnx"));
  context.input("x", [x.length], [0]);
  for (const each of graph.node) importNode(context, each, new Set());
  const values = runGraph(context.builder.build(["y"]), x);
  return [single(values.get("y")!), single(context.constants.get("weights")!.data)];
}

/** As a float32 runtime gives them out. */
const single = (values: Float64Array) => plain(values.map(Math.fround));

async function byOnnxruntime(parts: OnnxModel, x: readonly number[]): Promise<[number[], number[]]> {
  const session = await OrtModel.open(encodeModel(expandQuantizers(parts, "m.onnx")), "m.onnx");
  const out = await session.run({ x: { dims: [x.length], data: Float32Array.from(x) } }, ["y", "weights"]);
  await session.close();
  return [plain(out.get("y")!.data), plain(out.get("weights")!.data)];
}

/** Halves, their neighbours in float32, bounds of ranges and what lies beyond. */
const JUST_BELOW_HALF = Math.fround(0.49999997);
const NOTABLE = [0, 0.25, 0.5, JUST_BELOW_HALF, 0.75, 1, 1.5, 2.5, 3.5, 6.5, 7, 7.5, 8, 127, 127.5, 128.5, 255.5, 1e6];
const signs = NOTABLE.flatMap((v) => [v, -v]);
/** An attribute that is 0, 1 or left out. */
const flag = (name: string) =>
  fc.constantFrom<Record<string, AttributeValue>>({}, { [name]: { int: 0 } }, { [name]: { int: 1 } });

describe("an imported quantiser is the expanded one on onnxruntime", () => {
  it.each([...Object.keys(ROUNDING), "half_even", undefined])("with rounding mode %s", async (mode) => {
    const rounding: Record<string, AttributeValue> = mode === undefined ? {} : { rounding_mode: { string: mode } };
    const any = fc.record({
      // 0.3 is no power of two: where a level begins is decided by float32.
      scale: fc.constantFrom(1, 0.5, 2 ** -6, 4, Math.fround(0.3)),
      zero: fc.constantFrom(0, 3, -2),
      bits: fc.constantFrom(2, 3, 4, 8),
      attributes: fc.tuple(flag("signed"), flag("narrow")).map((flags) => Object.assign({}, ...flags, rounding)),
    });
    const oneBit = any.map((spec) => ({ ...spec, bits: 1, zero: 0 }));
    const spec = fc.oneof({ weight: 4, arbitrary: any }, oneBit).map((rest): Spec => ({ op: "Quant", ...rest }));
    const numbers = fc.array(fc.float({ noNaN: true, min: -300, max: 300 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(spec, numbers, async (quantiser, random) => {
        const x = [...signs, ...signs.map((v) => Math.fround(v * quantiser.scale)), ...random];
        const parts = both(quantiser, x);
        const [activations, weights] = byReference(parts, x);
        expect([activations, weights]).toEqual(await byOnnxruntime(parts, x));
        expect(weights).toEqual(activations);
      }),
      { numRuns: 15 },
    );
  });

  it.each([1, 0.25])("with the sign times %s", async (scale) => {
    const bipolar: Spec = { op: "BipolarQuant", scale, zero: 0, bits: 1, attributes: {} };
    const expected = signs.map((v) => (v >= 0 ? scale : -scale));
    for (const spec of [bipolar, { ...bipolar, op: "Quant" } as const]) {
      expect(byReference(both(spec, signs), signs)).toEqual([expected, expected]);
      expect(await byOnnxruntime(both(spec, signs), signs)).toEqual([expected, expected]);
    }
  });
});

describe("a quantiser that does not import", () => {
  const spec: Spec = { op: "Quant", scale: 1, zero: 0, bits: 4, attributes: {} };
  it.each<[string, Partial<Spec>, RegExp]>([
    ["rounding mode", { attributes: { rounding_mode: { string: "toString" } } }, /its rounding mode is "TOSTRING"/],
    ["bit width", { bits: 2.5 }, /its bit width is 2\.5/],
    ["scale", { scale: -1 }, /its scale -1 is not positive/],
    ["scale that is infinite", { scale: Number.POSITIVE_INFINITY }, /its scale Infinity is not positive/],
    ["zero point of a sign", { bits: 1, zero: 1 }, /one signed bit and the zero point 1/],
    ["attribute", { attributes: { axis: { int: 1 } } }, /its attribute "axis" is not known/],
  ])("says which %s it has", (_, change, message) => {
    expect(() => byReference(both({ ...spec, ...change }, [1]), [1])).toThrow(message);
  });
});
