import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { HedgeError } from "../../errors.ts";
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from "./attributes.ts";
import { floats, int64s, model, node, value } from "./build.ts";
import { decodeModel, encodeModel } from "./codec.ts";
import { MODEL_PROTO } from "./schema.ts";

const small = () =>
  model({
    name: "small",
    nodes: [
      node("Quant", ["x", "s", "z", "b"], ["q"], { rounding_mode: { string: "FLOOR" }, signed: { int: 1 } }),
      node("Conv", ["q", "w"], ["y"], { pads: { ints: [1, 1, 1, 1] }, strides: { ints: [1, 1] } }),
      node("LeakyRelu", ["y"], ["r"], { alpha: { float: 0 } }),
      node("Slice", ["r", "from", "to"], ["out"]),
    ],
    initializers: [
      floats(
        "w",
        [1, 2, 3, 3],
        Array.from({ length: 18 }, (_, i) => i - 9),
      ),
      floats("s", [], [0.5]),
      floats("z", [], [0]),
      floats("b", [], [8]),
      int64s("from", [0]),
      int64s("to", [1]),
    ],
    inputs: [value("x", ["batch", 2, 4, 4])],
    outputs: [value("out", ["batch", 1, 4, 4])],
    metadata: { "hedge.cut": "q", "hedge.name": "größer" },
  });

function refusal(run: () => unknown): HedgeError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(HedgeError);
    expect((error as HedgeError).kind).toBe("input");
    expect((error as HedgeError).remedy).not.toBe("");
    return error as HedgeError;
  }
  throw new Error("nothing was thrown");
}

describe("a model", () => {
  it("survives encoding and decoding", () => {
    const bytes = encodeModel(small());
    const back = decodeModel(bytes, "small.onnx");
    expect(back).toEqual(small());
    expect(Buffer.from(encodeModel(back)).equals(Buffer.from(bytes))).toBe(true);
  });

  it("keeps its attributes, a zero among them", () => {
    const [quant, conv, relu] = decodeModel(encodeModel(small()), "small.onnx").graph.node;
    expect(stringAttribute(quant!, "rounding_mode", "ROUND")).toBe("FLOOR");
    expect(intAttribute(quant!, "signed", 0)).toBe(1);
    expect(intAttribute(quant!, "narrow", undefined)).toBeUndefined();
    expect(intsAttribute(conv!, "pads", undefined)).toEqual([1, 1, 1, 1]);
    expect(floatAttribute(relu!, "alpha", 0.01)).toBe(0);
    expect(refusal(() => intAttribute(conv!, "pads", 0)).message).toContain('"pads" of Conv "Conv:y"');
  });

  it("keeps integers beyond 2^53", () => {
    const big = small();
    big.graph.node[3]!.attribute = node("Slice", [], ["a"], { ends: { ints: [1, 2n ** 63n - 1n] } }).attribute;
    const back = decodeModel(encodeModel(big), "big.onnx");
    expect(back.graph.node[3]!.attribute[0]!.ints).toEqual([1, 9223372036854775807n]);
    expect(refusal(() => intsAttribute(back.graph.node[3]!, "ends", [])).message).toContain("beyond 2^53");
  });

  it("is understood by onnxruntime", async () => {
    const parts = small();
    parts.graph.node.shift();
    parts.graph.node[0]!.input[0] = "x";
    const session = await ort.InferenceSession.create(encodeModel(parts), { logSeverityLevel: 3 });
    const x = new ort.Tensor("float32", new Float32Array(64).fill(1), [2, 2, 4, 4]);
    const { out } = await session.run({ x });
    expect(out?.dims).toEqual([1, 1, 4, 4]);
    // An inner pixel sums all taps, -9 ... 8, to -9; a slope of 0, had it been lost on the way, would be 0.01.
    expect(out?.data[5]).toBe(-0);
  });

  it("keeps the messages that it does not look into", () => {
    const odd = small();
    odd.trainingInfo = [Uint8Array.of(1, 2, 3)];
    odd.functions = [
      {
        name: "f",
        domain: "d",
        input: ["a"],
        output: ["b"],
        attribute: ["k"],
        attributeProto: [],
        node: [node("Relu", ["a"], ["b"])],
        opsetImport: [{ domain: "", version: 13 }],
        valueInfo: [],
        metadataProps: [{ key: "k", value: "v" }],
      },
    ];
    odd.graph.sparseInitializer = [{ values: floats("sp", [1], [2]), indices: int64s("", [3]), dims: [9] }];
    odd.graph.valueInfo = [
      { name: "q", metadataProps: [], type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } },
    ];
    expect(decodeModel(encodeModel(odd), "odd.onnx")).toEqual(odd);
  });

  it("is read whether or not its repeated fields are packed", () => {
    // AttributeProto field 8 (ints), packed: tag 0x42, two bytes 1 and 2.
    const packed = MODEL_PROTO.root
      .lookupType("AttributeProto")
      .decode(Uint8Array.of(0x42, 2, 1, 2))
      .toJSON();
    const single = MODEL_PROTO.root
      .lookupType("AttributeProto")
      .decode(Uint8Array.of(0x40, 1, 0x40, 2))
      .toJSON();
    expect(packed).toEqual({ ints: ["1", "2"] });
    expect(single).toEqual(packed);
  });
});

describe("bad bytes", () => {
  it.each([
    ["empty", new Uint8Array(), "is empty"],
    ["text", new TextEncoder().encode("hello, I am a text file and no model"), "is not an ONNX model"],
    ["a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13), "is not an ONNX model"],
    ["zeros", new Uint8Array(1000), "is not an ONNX model"],
    ["no graph", encodeModel({ irVersion: 8 } as never), "holds no graph"],
    ["no operator set", encodeModel({ ...small(), opsetImport: [] }), "does not import the operator set"],
    ["the far future", encodeModel({ ...small(), irVersion: 99 }), "IR version 99"],
  ])("%s is refused by name", (_, bytes, message) => {
    const error = refusal(() => decodeModel(bytes, "some.onnx"));
    expect(error.message).toContain("some.onnx");
    expect(error.message).toContain(message);
  });

  it("a file cut anywhere before its metadata is refused", () => {
    const bytes = encodeModel({ ...small(), metadataProps: [] });
    for (let length = 0; length < bytes.length; length++)
      refusal(() => decodeModel(bytes.subarray(0, length), "cut.onnx"));
  });

  it("nested messages of any depth are refused, not followed", () => {
    let nested = Uint8Array.of();
    for (let i = 0; i < 500; i++) {
      // GraphProto.node = 1 { attribute = 5 { g = 6 { ... } } }, lengths as 3-byte varints
      for (const field of [6, 5, 1]) {
        const n = nested.length;
        nested = Uint8Array.of((field << 3) | 2, (n & 127) | 128, ((n >> 7) & 127) | 128, n >> 14, ...nested);
      }
    }
    const n = nested.length;
    const bytes = Uint8Array.of(0x08, 8, 0x3a, (n & 127) | 128, ((n >> 7) & 127) | 128, n >> 14, ...nested);
    expect(refusal(() => decodeModel(bytes, "deep.onnx")).message).toContain("deep.onnx");
  });

  it("random and altered files give a model or the typed error, nothing else", () => {
    const good = encodeModel(small());
    const check = (bytes: Uint8Array) => {
      try {
        decodeModel(bytes, "fuzz.onnx");
      } catch (error) {
        expect(error).toBeInstanceOf(HedgeError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), check), { numRuns: 300 });
    const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(flips, (edits) => {
        const bytes = good.slice();
        for (const [at, byte] of edits) bytes[at] = byte;
        check(bytes);
      }),
      { numRuns: 500 },
    );
  });
});
