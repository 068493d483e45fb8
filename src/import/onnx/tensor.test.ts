import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HedgeError } from "../../errors.ts";
import { floats, int64s } from "./build.ts";
import { type DataTypeName, readNumbers, readTensor, type TensorArray, writeTensor } from "./tensor.ts";
import { DATA_TYPE, type OnnxTensor } from "./types.ts";

const empty = floats("t", [0], []);

const SAMPLES: [Exclude<DataTypeName, "FLOAT16">, TensorArray][] = [
  ["FLOAT", Float32Array.of(1.5, -0.25, Number.NaN)],
  ["DOUBLE", Float64Array.of(0.1, -2e300, 3)],
  ["INT8", Int8Array.of(-128, 0, 127)],
  ["UINT8", Uint8Array.of(0, 128, 255)],
  ["BOOL", Uint8Array.of(0, 1, 1)],
  ["INT16", Int16Array.of(-32768, 1, 32767)],
  ["UINT16", Uint16Array.of(0, 1, 65535)],
  ["INT32", Int32Array.of(-(2 ** 31), 1, 2 ** 31 - 1)],
  ["UINT32", Uint32Array.of(0, 1, 2 ** 32 - 1)],
  ["INT64", BigInt64Array.of(-(2n ** 63n), 1n, 2n ** 63n - 1n)],
  ["UINT64", BigUint64Array.of(0n, 1n, 2n ** 64n - 1n)],
];
const FIELD: Partial<Record<DataTypeName, keyof OnnxTensor>> = {
  FLOAT: "floatData",
  DOUBLE: "doubleData",
  INT64: "int64Data",
  UINT32: "uint64Data",
  UINT64: "uint64Data",
};

describe("a tensor", () => {
  it.each(SAMPLES)("of %s is read from raw_data, at any alignment", (type, data) => {
    const tensor = writeTensor("t", type, [1, 3], data);
    expect(readTensor(tensor, "m.onnx")).toEqual({ dims: [1, 3], type, data });
    const shifted = new Uint8Array(tensor.rawData!.length + 1);
    shifted.set(tensor.rawData!, 1);
    expect(readTensor({ ...tensor, rawData: shifted.subarray(1) }, "m.onnx").data).toEqual(data);
  });

  it.each(SAMPLES)("of %s is read from its typed field", (type, data) => {
    const tensor = { ...empty, dims: [3], dataType: DATA_TYPE[type], rawData: undefined };
    const values = Array.from(data as Iterable<number | bigint>);
    expect(readTensor({ ...tensor, [FIELD[type] ?? "int32Data"]: values } as OnnxTensor, "m.onnx").data).toEqual(data);
  });

  it("of FLOAT16 is widened", () => {
    const patterns = [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x7c00, 0x8000];
    const expected = [1, -2, 0.333251953125, 2 ** -24, 65504, Number.POSITIVE_INFINITY, -0];
    const typed = { ...empty, dims: [7], dataType: DATA_TYPE.FLOAT16, int32Data: patterns } as OnnxTensor;
    expect([...readTensor(typed, "m.onnx").data]).toEqual(expected);
    const raw = { ...typed, int32Data: [], rawData: new Uint8Array(Uint16Array.from(patterns).buffer) };
    expect([...readTensor(raw, "m.onnx").data]).toEqual(expected);
    const nan = { ...typed, dims: [1], int32Data: [0x7e00] };
    expect(readTensor(nan, "m.onnx").data[0]).toBeNaN();
  });

  it("is a copy", () => {
    const tensor = floats("t", [1], [1]);
    readTensor(tensor, "m.onnx").data[0] = 9;
    expect(readTensor(tensor, "m.onnx").data[0]).toBe(1);
  });

  it("of float32 survives bit for bit", () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 40 }), (data) => {
        const back = readTensor(writeTensor("t", "FLOAT", [data.length], data), "m.onnx").data;
        expect(new Uint8Array(back.buffer)).toEqual(new Uint8Array(data.slice().buffer));
      }),
    );
  });

  it("without axes is one value, one with a zero axis none", () => {
    expect(readTensor(floats("t", [], [4]), "m.onnx").data).toEqual(Float32Array.of(4));
    expect(readTensor(floats("t", [3, 0], []), "m.onnx").data).toHaveLength(0);
  });

  it("of integers gives numbers while they are exact", () => {
    expect(readNumbers(int64s("t", [-1, 2 ** 40]), "m.onnx").data).toEqual(Float64Array.of(-1, 2 ** 40));
    const huge = writeTensor("huge", "INT64", [1], BigInt64Array.of(2n ** 60n));
    expect(() => readNumbers(huge, "m.onnx")).toThrow(/"huge" in m\.onnx holds .* beyond 2\^53/);
  });

  it("whose values do not fill its shape is not written", () => {
    expect(() => writeTensor("t", "FLOAT", [2], Float32Array.of(1))).toThrow(/do not make/);
    expect(() => writeTensor("t", "INT8", [1], Float32Array.of(1))).toThrow(/do not make/);
  });

  it.each<[string, Partial<OnnxTensor>, RegExp]>([
    ["in another file", { externalData: [{ key: "location", value: "w.bin" }] }, /keeps its data in another file/],
    ["in another file, says a flag", { dataLocation: 1 }, /keeps its data in another file/],
    ["of strings", { dataType: 8 }, /elements of STRING/],
    ["of an unknown type", { dataType: 77 }, /elements of type 77/],
    ["in segments", { segment: { begin: 0, end: 1 } }, /stored in segments/],
    ["too short", { dims: [3] }, /has 2 elements but its shape \[3\] needs 3/],
    ["too long", { dims: [1] }, /has 2 elements but its shape \[1\] needs 1/],
    ["with half an element", { rawData: new Uint8Array(7) }, /has 1\.75 elements/],
    ["with a negative axis", { dims: [-1, -2] }, /impossible shape/],
    ["with an enormous shape", { dims: [2 ** 40] }, /impossible shape/],
  ])("%s is refused", (_, change, message) => {
    const tensor = { ...floats("w", [2], [1, 2]), ...change };
    expect(() => readTensor(tensor, "m.onnx")).toThrow(HedgeError);
    expect(() => readTensor(tensor, "m.onnx")).toThrow(message);
    expect(() => readTensor(tensor, "m.onnx")).toThrow(/Tensor "w" in m\.onnx/);
  });
});
