import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ImageInput, readImage } from "./image-file.ts";

const model = (channels: number, height = 2, width = 3): ImageInput => ({
  name: "tiny",
  input: { name: "image", shape: [channels, height, width], pixelZero: 128, pixelStep: 1 / 64 },
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-images-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function save(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

function png(width: number, height: number, rgba: readonly number[], colorType: 0 | 2 | 6 = 6): Buffer {
  const image = new PNG({ width, height });
  image.data = Buffer.from(rgba);
  return PNG.sync.write(image, { colorType });
}

// Pixel i is (10 i, 10 i + 1, 10 i + 2).
const SIX = Array.from({ length: 6 }, (_, i) => [10 * i, 10 * i + 1, 10 * i + 2, 255]).flat();

describe("readImage", () => {
  it("turns a PNG into planes of pixel - zero", async () => {
    const path = await save("rgb.png", png(3, 2, SIX, 2));
    expect(await readImage(path, model(3))).toEqual(
      Int8Array.from([0, 1, 2].flatMap((c) => [0, 1, 2, 3, 4, 5].map((i) => 10 * i + c - 128))),
    );
  });

  it("takes a grey PNG for one channel, and refuses colours there", async () => {
    const grey = await save(
      "grey.png",
      png(
        3,
        2,
        [0, 51, 102, 153, 204, 255].flatMap((n) => [n, n, n, 255]),
        0,
      ),
    );
    expect(await readImage(grey, model(1))).toEqual(Int8Array.of(-128, -77, -26, 25, 76, 127));
    const colours = await save("colours.png", png(3, 2, SIX));
    await expect(readImage(colours, model(1))).rejects.toThrow("has colours");
  });

  it("reads a JPEG within its rounding", async () => {
    const rgba = Buffer.alloc(4 * 16 * 16, 255);
    for (let i = 0; i < 256; i++) rgba.set([200, 100, 50], 4 * i);
    const path = await save("flat.jpg", jpeg.encode({ width: 16, height: 16, data: rgba }, 95).data);
    const image = await readImage(path, model(3, 16, 16));
    for (const [c, wanted] of [200, 100, 50].entries()) {
      for (const value of image.subarray(256 * c, 256 * (c + 1))) {
        expect(Math.abs(value + 128 - wanted)).toBeLessThanOrEqual(3);
      }
    }
  });

  it("names both sizes when they differ", async () => {
    const path = await save("wide.png", png(3, 2, SIX));
    await expect(readImage(path, model(3, 32, 32))).rejects.toMatchObject({
      kind: "input",
      message: `${path} is 3 x 2 pixels, not 32 x 32.`,
      remedy: "Scale or crop it to 32 x 32 first.",
    });
    const photo = await save("wide.jpg", jpeg.encode({ width: 16, height: 8, data: Buffer.alloc(512) }, 50).data);
    await expect(readImage(photo, model(3))).rejects.toThrow("is 16 x 8 pixels, not 3 x 2.");
  });

  it("refuses transparency, interlacing, other formats, damage, huge and missing files", async () => {
    const cases: [string, Uint8Array, string][] = [
      ["clear.png", png(3, 2, [...SIX.slice(0, 23), 254]), "transparent pixels"],
      ["text.txt", Buffer.from("an image, honestly"), "neither a PNG nor a JPEG"],
      ["empty.png", Buffer.alloc(0), "neither a PNG nor a JPEG"],
      ["signature.png", png(3, 2, SIX).subarray(0, 12), "no PNG"],
      ["cut.png", png(3, 2, SIX).subarray(0, 50), "damaged PNG"],
      ["cut.jpg", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 74), "damaged or too large JPEG"],
      ["huge.png", Buffer.concat([png(3, 2, SIX), Buffer.alloc(2 << 20)]), "at most"],
    ];
    const interlaced = png(3, 2, SIX);
    interlaced[28] = 1;
    cases.push(["interlaced.png", interlaced, "interlaced"]);
    for (const [name, bytes, message] of cases) {
      const outcome = await readImage(await save(name, bytes), model(3)).catch((error: Error) => error);
      expect(outcome, name).toMatchObject({ name: "HedgeError", kind: "input" });
      expect((outcome as Error).message, name).toContain(message);
    }
    await expect(readImage(join(folder, "none.png"), model(3))).rejects.toThrow("none.png does not exist.");
    await expect(readImage(folder, model(3))).rejects.toThrow("is no regular file");
  });

  it("refuses a model whose input is no image", async () => {
    await expect(readImage("x.png", model(4))).rejects.toThrow("tiny takes 4 x 2 x 3 values");
  });
});
