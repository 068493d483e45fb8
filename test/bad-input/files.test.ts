/** Files that are no model, and places where no bundle can be written. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT_CODES } from "../../src/errors.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import { hybridModel } from "../support/hybrid-model.ts";
import { hedge } from "../support/in-process.ts";
import { randomFrom } from "../support/random.ts";
import { expectError, LABELLED_IMAGES, SMALL, useBench } from "../support/refusal.ts";

const VALID = encodeModel(hybridModel(SMALL));
const bench = useBench();

describe.each(["compile", "eval"] as const)("hedge %s of", (command) => {
  const random = randomFrom(1);
  const noise = Uint8Array.from({ length: 5000 }, () => random() * 256);
  it.each<[string, () => Uint8Array | Promise<Uint8Array>]>([
    ["an empty file", () => new Uint8Array()],
    ["random bytes", () => noise],
    ["a text", () => new TextEncoder().encode("Dear compiler,\nthis is no model.\n")],
    ["a PNG image", () => readFile(`${LABELLED_IMAGES}/strip.png`)],
    ["JSON", () => new TextEncoder().encode('{"ir_version": 8}')],
    ["zeros", () => new Uint8Array(100)],
  ])("%s", async (_, bytes) => {
    expect(await bench.refused(await bytes(), command)).toMatch(/bad\.onnx (is not an ONNX model|is empty)/);
  });

  it.each([1, 2, 10, 100, 1000, VALID.length >> 1, VALID.length - 700, VALID.length - 100, VALID.length - 1])(
    "the first %i bytes of a model",
    async (length) => {
      await bench.refused(VALID.subarray(0, length), command);
    },
  );

  it("a file that is not there, and of a folder", async () => {
    const rest = command === "compile" ? ["-o", join(bench.folder, "out")] : ["--images", LABELLED_IMAGES];
    const missing = join(bench.folder, "none.onnx");
    const outcome = await hedge(command, missing, ...rest);
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(`${missing} does not exist.`);
    const itself = await hedge(command, bench.folder, ...rest);
    expectError(itself, EXIT_CODES.input);
    expect(itself.err).toContain(bench.folder);
  });
});

describe("hedge compile into", () => {
  const compile = async (out: string) => {
    const path = join(bench.folder, "bad.onnx");
    await writeFile(path, VALID);
    return hedge("compile", path, "-o", out);
  };
  it("a folder that holds something else leaves it alone", async () => {
    const out = join(bench.folder, "mine");
    await mkdir(out);
    await writeFile(join(out, "manifest.json"), "{}");
    const outcome = await compile(out);
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toContain(`${out} holds files that are not a bundle's.`);
    expect(await readdir(out)).toEqual(["manifest.json"]);
    expect((await readdir(bench.folder)).sort()).toEqual(["bad.onnx", "mine"]);
    await rm(out, { recursive: true });
  });

  it.each(["/proc/hedge-out", "/dev/null/out"])("%s, which nobody can make", async (out) => {
    const outcome = await compile(out);
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain(`cannot be written to ${out} (`);
  });

  it("a file", async () => {
    const outcome = await compile(join(bench.folder, "bad.onnx"));
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain("cannot be written to");
    expect(await readdir(bench.folder)).toEqual(["bad.onnx"]);
  });

  it.each([
    ["no folder", ["model.onnx"], "Required option '-o, --out <folder>' not specified."],
    ["no model", ["-o", "out"], "Missing required argument 'model.onnx'."],
    ["two models", ["a.onnx", "b.onnx", "-o", "out"], "Too many arguments for 'compile'."],
  ])("%s is an error of usage", async (_, args, sentence) => {
    const outcome = await hedge("compile", ...args);
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toContain(sentence);
  });
});
