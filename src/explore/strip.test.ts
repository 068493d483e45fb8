import { createHash } from "node:crypto";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import type { Manifest } from "../bundle/manifest.ts";
import { CIFAR10_CLASSES } from "./cifar10.ts";
import { encodeStrip, LABELS_FILE, readStrip, readStripSamples, STRIP_FILE } from "./strip.ts";

const SHIPPED = "models/cifar10-test-500";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-strip-"));
});
afterAll(() => rm(folder, { recursive: true }));

const facts = { source: "test", classes: ["a", "b"], shape: [3, 2, 2], labels: [1], indices: [7] };

async function write(labels: unknown, strip: Uint8Array): Promise<string> {
  await writeFile(join(folder, LABELS_FILE), typeof labels === "string" ? labels : JSON.stringify(labels));
  await writeFile(join(folder, STRIP_FILE), strip);
  return folder;
}

describe("a strip", () => {
  it("gives back the images that went in", async () => {
    const image = fc.uint8Array({ minLength: 12, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(image, { minLength: 1, maxLength: 5 }), async (images) => {
        const labels = images.map((_, i) => i % 2);
        await write({ ...facts, labels, indices: labels }, encodeStrip(images, 4));
        const strip = await readStrip(folder);
        expect(strip.images).toEqual(images);
        expect(strip.labels).toEqual(labels);
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ["no JSON", "{", "no JSON"],
    ["an unknown class", { ...facts, labels: [2] }, "a label has no class"],
    ["too few indices", { ...facts, indices: [] }, "differ in length"],
    ["more labels than rows", { ...facts, labels: [1, 0], indices: [1, 2] }, "is 4 x 1 pixels, not 4 x 2"],
  ])("is refused with %s", async (_, labels, message) => {
    await write(labels, encodeStrip([new Uint8Array(12)], 4));
    await expect(readStrip(folder)).rejects.toMatchObject({ kind: "input", message: expect.stringContaining(message) });
  });

  it("is refused when a file is missing", async () => {
    await expect(readStrip(join(folder, "none"))).rejects.toThrow("labels.json does not exist.");
  });
});

describe("the shipped test images", () => {
  it("are 50 of each class, each the image of the test set that its index names", async () => {
    const { images, labels, indices, classes } = await readStrip(SHIPPED);
    expect(classes).toEqual([...CIFAR10_CLASSES]);
    expect(classes.map((_, k) => labels.filter((label) => label === k).length)).toEqual(classes.map(() => 50));
    expect(new Set(indices).size).toBe(500);
    expect(new Set(labels.slice(0, 10)).size).toBe(10);
    // Of the 500 records of data/cifar10/test.bin that the indices name.
    const hash = createHash("sha256");
    for (const [i, image] of images.entries()) hash.update(Uint8Array.of(labels[i]!)).update(image);
    expect(hash.digest("hex")).toBe("b1d559bc2b216aecac5c27cce8f1b6c6f1299c18311ee67d08eadbc5b5cfddab");
  });

  it("are refused by a model of another size", async () => {
    const { manifest } = await tinyBundle({ edgeOnly: true });
    await expect(readStripSamples(SHIPPED, manifest)).rejects.toThrow("holds images of 3 x 32 x 32 values and 10");
  });

  it("become samples of a model that takes them", async () => {
    const { manifest } = await tinyBundle({ edgeOnly: true });
    const fitting: Manifest = {
      ...manifest,
      classes: [...CIFAR10_CLASSES],
      input: { name: "image", shape: [3, 32, 32], pixelZero: 128, pixelStep: 1 / 64 },
    };
    const { images, labels } = await readStripSamples(SHIPPED, fitting, 3);
    const strip = await readStrip(SHIPPED);
    expect([...labels]).toEqual(strip.labels.slice(0, 3));
    expect(images).toEqual(strip.images.slice(0, 3).map((image) => Int8Array.from(image, (p) => p - 128)));
  });

  it("are refused when the strip is damaged", async () => {
    const copy = join(folder, "copy");
    await cp(SHIPPED, copy, { recursive: true });
    await writeFile(join(copy, STRIP_FILE), "not a strip");
    await expect(readStrip(copy)).rejects.toThrow("strip.png is no PNG image.");
  });
});
