/** What `make bench-codegen` measures, as far as a C compiler and valgrind go: without clang and an emulated board. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tool, wasm3Source } from "../wasm3-build.ts";
import { FIRMWARE_FOLDER } from "./files.ts";
import { binaryConv, imageConv, levelConv } from "./layer-kinds.ts";
import { hostInterpreter, hostProgram } from "./machines.ts";
import { measuredLayer } from "./measured-layer.ts";
import { countNative } from "./natural-c.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-codegen-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ["a residual layer", () => measuredLayer([16, 4, 4], binaryConv(16, 4, { shortcut: true }))],
  ["2-bit levels", () => measuredLayer([8, 4, 4], levelConv(2, 8, 4))],
  ["an image", () => measuredLayer([3, 6, 6], imageConv(3, 4, 6), binaryConv(4, 6, { shortcut: true }))],
])("%s: natural C computes the module's bytes, and both are counted", async (_, make) => {
  const layer = make();
  expect(new Set(layer.output).size).toBeGreaterThan(2);
  const { steps } = await (await hostInterpreter())(layer.job);
  const native = await countNative(layer.natural, layer.output, hostProgram, folder);
  expect(native).toBeGreaterThan(layer.macs / 8);
  expect(steps[layer.step]!.instructions).toBeGreaterThan(native);
});

test("C that computes something else is refused", async () => {
  const layer = measuredLayer([16, 4, 4], binaryConv(16, 4, { shortcut: true }));
  const other = layer.output.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
  await expect(countNative(layer.natural, other, hostProgram, folder)).rejects.toThrow("computes other bytes");
});

test("the patches fit the installed wasm3, and no other", async () => {
  const script = join(FIRMWARE_FOLDER, "wasm3", "patch.js");
  const patch = (from: string, to: string): Promise<string> => tool(process.execPath, [script, from, to], "nodejs");
  const patched = join(folder, "patched");
  await patch(wasm3Source(), patched);
  expect(await readFile(join(patched, "m3_exec_defs.h"), "utf8")).toContain('#include "operations.h"');
  // What is patched already holds no longer what a patch looks for.
  await expect(patch(patched, join(folder, "twice"))).rejects.toThrow("which a patch replaces");
});
