import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ImageInput } from "./image-file.ts";
import { readSample } from "./sample-file.ts";

const sensor: ImageInput = { name: "sensor", input: { name: "x", shape: [2, 1, 3], pixelZero: 128, pixelStep: 0.25 } };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-samples-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function json(content: unknown): Promise<string> {
  const path = join(folder, "sample.JSON");
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("a sample as JSON", () => {
  it("is rounded to bytes, half to even and saturated; nested or flat", async () => {
    const bytes = Int8Array.of(1, 2, -2, 127, -128, 0);
    expect(await readSample(await json([0.25, 0.375, -0.625, 1e9, -1e9, 0]), sensor)).toEqual(bytes);
    expect(await readSample(await json([[[0.25, 0.375, -0.625]], [[1e9, -1e9, 0]]]), sensor)).toEqual(bytes);
  });

  it("is saturated to the integers that the model knows, of one byte or two", async () => {
    const path = await json([0.25, 0.375, -0.625, 1e9, -1e9, 0]);
    const as = (input: Partial<ImageInput["input"]>) =>
      readSample(path, { ...sensor, input: { ...sensor.input, ...input } });
    expect([...(await as({ pixelZero: 0 }))]).toEqual([1, 2, 0, -1, 0, 0]);
    expect([...(await as({ range: [-7, 7] }))]).toEqual([1, 2, -2, 7, -7, 0]);
    const words = (await as({ range: [-130, 300], bytes: 2 })).buffer;
    expect([...new Int16Array(words)]).toEqual([1, 2, -2, 300, -130, 0]);
  });

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "[1,", /is not JSON/],
    ["an object", { values: [1] }, /holds 0 numbers; sensor takes 6 numbers \(2 x 1 x 3\)/],
    ["too few", [1, 2, 3], /holds 3 numbers/],
    ["too many", [1, 2, 3, 4, 5, 6, 7], /holds 7 numbers/],
    ["a text among them", [1, 2, 3, 4, 5, "6"], /holds "6"/],
    ["nested too deep", [[[[[1]]]], 2, 3, 4, 5, 6], /holds \[1\]/],
    ["a null, which JSON has for NaN", [1, 2, 3, 4, 5, null], /holds null/],
    ["a file beyond any six numbers", " ".repeat(5000), /at most 1408 are accepted/],
  ])("is refused: %s", async (_, content, message) => {
    const path = await json(content);
    const error = await readSample(path, sensor).catch((e: Error) => e);
    expect(error).toMatchObject({ kind: "input", message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(path);
  });
});

it("an image goes in pixel by pixel where the model takes it so", async () => {
  const image = new PNG({ width: 2, height: 1 });
  image.data = Buffer.from([1, 2, 3, 255, 4, 5, 6, 255]);
  const path = join(folder, "two.png");
  await writeFile(path, PNG.sync.write(image));
  const input = { name: "x", shape: [3, 1, 2], pixelZero: 0, pixelStep: 1 };
  expect([...(await readSample(path, { name: "m", input }))]).toEqual([1, 4, 2, 5, 3, 6]);
  const rows = { name: "m", input: { ...input, layout: "HWC" as const } };
  expect([...(await readSample(path, rows))]).toEqual([1, 2, 3, 4, 5, 6]);
});
