import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hybridModel, smallShape } from "../../test/support/hybrid-model.ts";
import { hedge } from "../../test/support/in-process.ts";
import { expectError } from "../../test/support/refusal.ts";
import { compileModel } from "../bundle/compile.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";
import type { Analysis } from "../explore/analyze/analysis.ts";
import { encodeModel } from "../import/onnx/codec.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-analyze-"));
  const bytes = encodeModel(hybridModel(smallShape()));
  await writeFile(at("model.onnx"), bytes);
  await writeBundle(at("bundle"), (await compileModel(bytes, "model.onnx")).bundle);
  const small = { name: "small", title: "Small", core: "Cortex-M0", clockMHz: 8, flashBytes: 65536, ramBytes: 4096 };
  await writeFile(at("small.json"), JSON.stringify({ ...small, firmware: { flashBytes: 0, ramBytes: 0 } }));
});
afterAll(() => rm(folder, { recursive: true }));

describe("hedge analyze", () => {
  it("prints layers, totals and the board's share", async () => {
    const { code, out } = await hedge("analyze", at("model.onnx"), "--board", "nrf52840-dk");
    expect(code).toBe(0);
    for (const word of ["stream.0", "binary-conv", "RAM  ", "flash  ", "energy", "% of the"])
      expect(out).toContain(word);
  });

  it("says the same of the model and of its bundle, as JSON", async () => {
    const [model, bundle] = [
      await hedge("analyze", at("model.onnx"), "--json"),
      await hedge("analyze", at("bundle"), "--json"),
    ];
    const parse = (text: string) => JSON.parse(text) as Analysis;
    expect(parse(model.out).ram).toEqual(parse(bundle.out).ram);
    expect(parse(model.out).instructions).toEqual(parse(bundle.out).instructions);
  });

  it("draws memory", async () => {
    const { code } = await hedge("analyze", at("model.onnx"), "--svg", at("memory.svg"));
    expect(code).toBe(0);
    expect(await readFile(at("memory.svg"), "utf8")).toMatch(/^<svg /);
  });

  it("of native kernels knows all but the instructions", async () => {
    const { code, out } = await hedge("analyze", at("model.onnx"), "--kernels", "native", "--json");
    const { ram, flash, instructions } = JSON.parse(out) as Analysis;
    expect([code, instructions]).toEqual([0, undefined]);
    expect(Math.min(ram.total, flash.total)).toBeGreaterThan(0);
  });

  it("refuses what does not fit, after telling why", async () => {
    const { code, out, err } = await hedge("analyze", at("model.onnx"), "--board", at("small.json"));
    expect(code).toBe(EXIT_CODES.check);
    expect(out).toContain("stream.0");
    expect(err).toMatch(/needs \d+ bytes of RAM on small, which has 4096/);
  });

  it.each([
    ["a picture of a bundle", () => [at("bundle"), "--svg", at("x.svg")], EXIT_CODES.usage],
    ["an unknown board", () => [at("bundle"), "--board", "uno"], EXIT_CODES.usage],
    ["a board's file that is missing", () => [at("bundle"), "--board", at("none.json")], EXIT_CODES.input],
    ["a model that is missing", () => [at("none.onnx")], EXIT_CODES.input],
  ])("refuses %s", async (_, args, code) => {
    expectError(await hedge("analyze", ...args()), code);
  });
});

it("hedge compile --board refuses what does not fit, and writes nothing", async () => {
  const [out, fits] = [at("unfit"), at("fits")];
  expectError(await hedge("compile", at("model.onnx"), "-o", out, "--board", at("small.json")), EXIT_CODES.check);
  expect(existsSync(out)).toBe(false);
  expect((await hedge("compile", at("model.onnx"), "-o", fits, "--board", "lm3s6965evb")).code).toBe(0);
  expect(existsSync(fits)).toBe(true);
});

it("hedge boards lists what is left beside the firmware", async () => {
  const { code, out } = await hedge("boards");
  expect(code).toBe(0);
  expect(out).toMatch(/^lm3s6965evb +RAM +48 KiB +flash +180 KiB/m);
});
