import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CloudPart, cloudModel, logitsOf, payloadOf } from "../../test/support/cloud-parts.ts";
import { tinyCloudOnnx } from "../../test/support/tiny-cloud.ts";
import { floats, model, node, value } from "../import/onnx/build.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { type BatchSizes, findBatchSizes } from "./invariance.ts";
import { type CloudModel, Member } from "./member.ts";

const MAX = 12;
/** A process that has nothing to do with the pool's: what is shown here is of onnxruntime and of the sizes. */
let member: Member;
beforeAll(async () => {
  member = new Member({ runTime: 600_000, memory: 2 ** 32 });
  await member.ready();
});
afterAll(() => member.kill());

const sizesOf = (cloud: CloudModel, max = MAX) =>
  findBatchSizes((payloads) => member.run(cloud, payloads, payloads.length), cloud.payload.bytes, max);

const bits = (row: Float32Array | undefined) => Array.from(new Uint32Array(Float32Array.from(row!).buffer));

/** Rows of any batch within the sizes have the bits of the row that is run by itself. */
async function holds(cloud: CloudModel, { least, most }: BatchSizes, runs: number): Promise<void> {
  const run = (payloads: Uint8Array[]) => member.run(cloud, payloads, Math.max(least, payloads.length));
  const bytes = cloud.payload.bytes;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: bytes, maxLength: bytes }), { minLength: 1, maxLength: most }),
      async (payloads) => {
        const together = await run(payloads);
        for (const [i, payload] of payloads.entries())
          expect(bits(together[i])).toEqual(bits((await run([payload]))[0]));
      },
    ),
    { numRuns: runs },
  );
}

describe("batches in which no answer depends on its mates", () => {
  it.each([
    ["good", { least: 1, most: MAX, note: "" }],
    ["mixes", { least: 1, most: 1, note: "its rows depend on their batch: each sample is run by itself" }],
    ["single", { least: 1, most: 1, note: "it takes one sample at a time" }],
    [
      "four",
      {
        least: 4,
        most: 4,
        note: "smaller batches give other bits or none: they are filled up to 4; larger batches give other bits or none: at most 4 samples",
      },
    ],
  ] as const)("are found of a part that %s", async (part: CloudPart, sizes) => {
    const cloud = cloudModel(part);
    expect(await sizesOf(cloud)).toEqual(sizes);
    await holds(cloud, sizes, 10);
    if (part === "mixes") return;
    const payloads = [1, 2, 3].slice(0, sizes.most).map(payloadOf);
    const rows = await member.run(cloud, payloads, Math.max(sizes.least, payloads.length));
    expect(rows.map((row) => Array.from(row))).toEqual(payloads.map(logitsOf));
  });

  it("are found of the tiny model, whose matrix product may take another path for one row", async () => {
    const payload = { tensor: "cut", shape: [1, 2, 2], bits: 1 as const, bytes: 4, scale: 2, offset: -0.5 };
    const cloud = { ...cloudModel("good"), onnx: tinyCloudOnnx(), payload };
    const sizes = await sizesOf(cloud);
    expect(sizes.most).toBe(MAX);
    await holds(cloud, sizes, 20);
  });

  it("are found of a large matrix in real numbers, where the order of a sum shows", async () => {
    const onnx = encodeModel(
      model({
        nodes: [
          node("Flatten", ["cut"], ["flat"]),
          node("Gemm", ["flat", "a"], ["hidden"], { transB: { int: 1 } }),
          node("Tanh", ["hidden"], ["squashed"]),
          node("Gemm", ["squashed", "b"], ["logits"], { transB: { int: 1 } }),
        ],
        initializers: [
          floats(
            "a",
            [67, 512],
            Float32Array.from({ length: 67 * 512 }, (_, i) => Math.sin(i * 0.7) / 100),
          ),
          floats(
            "b",
            [10, 67],
            Float32Array.from({ length: 670 }, (_, i) => Math.cos(i * 1.3)),
          ),
        ],
        inputs: [value("cut", ["batch", 32, 4, 4])],
        outputs: [value("logits", ["batch", 10])],
      }),
    );
    const payload = { tensor: "cut", shape: [32, 4, 4], bits: 8 as const, bytes: 512, scale: 0.013, offset: 0.3 };
    const cloud = { ...cloudModel("good"), onnx, payload };
    const sizes = await sizesOf(cloud, 32);
    expect(sizes.most).toBeGreaterThanOrEqual(8);
    await holds(cloud, sizes, 10);
  });

  it("says what onnxruntime says of a model that takes no sample", async () => {
    const cloud = { ...cloudModel("good"), payload: { ...cloudModel("good").payload, shape: [2, 4, 2] } };
    await expect(sizesOf(cloud)).rejects.toThrow(/dimension/i);
  });
});
