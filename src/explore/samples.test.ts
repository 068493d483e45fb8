import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import type { Manifest } from "../bundle/manifest.ts";
import { readSamples } from "./samples.ts";

let folder: string;
let manifest: Manifest;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-samples-"));
  ({ manifest } = await tinyBundle({ edgeOnly: true }));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(...bytes: number[]): Promise<string> {
  const path = join(folder, `${bytes.length}-${bytes[0]}.bin`);
  await writeFile(path, Uint8Array.from(bytes));
  return path;
}

it("takes the zero from the pixels", async () => {
  const path = await file(2, 0, 127, 128, 255, 1, 1, 2, 3, 4);
  expect(await readSamples(path, manifest)).toEqual({
    labels: Uint16Array.of(2, 1),
    images: [Int8Array.of(-128, -1, 0, 127), Int8Array.of(-127, -126, -125, -124)],
  });
  expect((await readSamples(path, manifest, 1)).images).toHaveLength(1);
  expect((await readSamples(path, manifest, 9)).images).toHaveLength(2);
});

it("names what is wrong with a file", async () => {
  await expect(readSamples(join(folder, "none.bin"), manifest)).rejects.toThrow(/none\.bin does not exist/);
  await expect(readSamples(folder, manifest)).rejects.toMatchObject({ kind: "input" });
  await expect(readSamples(await file(0, 1, 2), manifest)).rejects.toThrow(/3 bytes, no whole number of records/);
  await expect(readSamples(await file(), manifest)).rejects.toThrow(/0 bytes/);
  await expect(readSamples(await file(3, 1, 2, 3, 4), manifest)).rejects.toThrow(
    /Record 0 .* has the label 3, but tiny knows 3/,
  );
});
