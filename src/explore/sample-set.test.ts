import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeNpy } from "./npy.ts";
import { readLabelList, readSampleSet } from "./sample-set.ts";

/** A file as numpy.save writes it. */
function npy(descr: string, shape: readonly number[], data: Uint8Array, order = "False"): Uint8Array {
  const dims = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${dims}, }`;
  const header = `${text.padEnd(117)}\n`;
  const head = Uint8Array.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]);
  return Buffer.concat([head, Buffer.from(header), data]);
}

const bytesOf = (values: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(values.buffer);

describe("decodeNpy", () => {
  it.each([
    ["<f4", new Float32Array([1.5, -2, 3, 0.25])],
    ["<f8", new Float64Array([1.5, -2, 3, 0.25])],
    ["|u1", new Uint8Array([1, 200, 3, 4])],
    ["|i1", new Int8Array([1, -100, 3, 4])],
    ["<i2", new Int16Array([1, -1000, 3, 4])],
    ["<u2", new Uint16Array([1, 60000, 3, 4])],
    ["<i4", new Int32Array([1, -100000, 3, 4])],
  ])("reads %s", (descr, values) => {
    const { shape, values: read } = decodeNpy(npy(descr, [2, 2], bytesOf(values)), "a.npy");
    expect([shape, [...(read as Float64Array)]]).toEqual([[2, 2], [...values]]);
  });

  it("reads 64-bit labels in one dimension", () => {
    const data = bytesOf(new BigInt64Array([7n, 0n, 3n]));
    expect(decodeNpy(npy("<i8", [3], data), "a.npy")).toEqual({ shape: [3], values: new Float64Array([7, 0, 3]) });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["another file", Buffer.from("hello, numpy world"), /a.npy is no NumPy array/],
    ["an empty file", new Uint8Array(), /is no NumPy array/],
    ["a header without its end", npy("<f4", [1], new Uint8Array(4)).subarray(0, 40), /is cut short/],
    ["too few elements", npy("<f4", [5], new Uint8Array(4)), /does not hold the elements of its shape \(5,\)/],
    ["a huge shape", npy("<f4", [1e9, 1e9, 1e9], new Uint8Array(4)), /does not hold the elements/],
    ["texts", npy("<U4", [1], new Uint8Array(16)), /elements of the type "<U4"/],
    ["columns first", npy("<f4", [1], new Uint8Array(4), "True"), /rows one after another/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeNpy(bytes, "a.npy")).toThrow(message);
  });
});

describe("files of samples", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hedge-samples-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const file = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };

  it("reads samples of the model's size, nested or not", async () => {
    const path = await file("a.json", "[[[1, 2], [3, 4]], [[5, 6], [7, 8.5]]]");
    expect(await readSampleSet(path, [1, 2, 2])).toEqual([
      new Float32Array([1, 2, 3, 4]),
      new Float32Array([5, 6, 7, 8.5]),
    ]);
    const array = await file("a.npy", npy("<f4", [2, 2], bytesOf(new Float32Array([1, 2, 3, 4]))));
    expect(await readSampleSet(array, [2])).toHaveLength(2);
    expect(await readLabelList(await file("l.json", "[3, 0]"), 2)).toEqual([3, 0]);
  });

  it.each<[string, string, RegExp]>([
    ["no whole number of samples", "[1, 2, 3]", /holds 3 numbers, no whole number of samples of 2/],
    ["none", "[]", /holds 0 numbers/],
    ["no JSON", "{", /neither a NumPy array nor JSON/],
    ["texts", '["a", 1]', /does not hold an array of numbers/],
    ["something infinite", "[1, 2, 1e999, 4]", /sample 1 holds Infinity/],
  ])("refuses %s", async (_, content, message) => {
    await expect(readSampleSet(await file("bad.json", content), [2])).rejects.toThrow(message);
  });

  it.each<[string, RegExp]>([
    ["[1]", /holds 1 labels for 2 samples/],
    ["[1, -1]", /holds the label -1/],
    ["[1, 0.5]", /holds the label 0.5/],
  ])("refuses the labels %s", async (content, message) => {
    await expect(readLabelList(await file("labels.json", content), 2)).rejects.toThrow(message);
  });
});
