import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { readTar, type TarFile } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "hedge-tar-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "package"));
writeFileSync(join(folder, "package/empty"), "");
writeFileSync(join(folder, "package/block"), Buffer.alloc(512, 7));
writeFileSync(join(folder, "package/odd"), Buffer.alloc(1_300, 9));
execFileSync("tar", ["-C", folder, "--format=ustar", "-cf", join(folder, "archive.tar"), "package"]);
const archive = readFileSync(join(folder, "archive.tar"));

async function* chunksOf(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function read(bytes: Buffer, length = 4_096, limit = 10_000): Promise<TarFile[]> {
  const files: TarFile[] = [];
  for await (const file of readTar(chunksOf(bytes, length), (path) => !path.endsWith("block"), limit, "a.tar")) {
    files.push(file);
  }
  return files;
}

it.each([1, 100, 512, 513, 100_000])("reads what tar packs, in chunks of %i bytes", async (length) => {
  const files = await read(archive, length);
  expect(new Map(files.map(({ path, bytes }) => [path, bytes]))).toEqual(
    new Map([
      ["package/empty", Buffer.alloc(0)],
      ["package/odd", Buffer.alloc(1_300, 9)],
    ]),
  );
});

it("refuses a file beyond the limit", async () => {
  await expect(read(archive, 512, 1_299)).rejects.toThrow("package/odd in a.tar has 1300 bytes, more than 1299.");
});

it("refuses an archive that is cut within a file or is none", async () => {
  const at = archive.indexOf(Buffer.alloc(512, 9));
  await expect(read(archive.subarray(0, at + 600))).rejects.toThrow("no whole tar archive");
  await expect(read(Buffer.alloc(2_048, 0x41))).rejects.toThrow("no whole tar archive");
});

it("ends for any bytes, with files or a HedgeError", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), async (at, value) => {
      const altered = Buffer.from(archive);
      altered[at] = value;
      const outcome = await read(altered).catch((error: Error) => error.name);
      expect(Array.isArray(outcome) || outcome === "HedgeError").toBe(true);
    }),
  );
});
