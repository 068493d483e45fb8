import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hybridModel, smallShape } from "../../test/support/hybrid-model.ts";
import { hedge } from "../../test/support/in-process.ts";
import { randomImages } from "../../test/support/random.ts";
import { createBundle } from "../bundle/bundle.ts";
import { compileModel } from "../bundle/compile.ts";
import type { Manifest } from "../bundle/manifest.ts";
import { readBundle } from "../bundle/read.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";
import type { Evaluation } from "../explore/evaluate.ts";
import { encodeStrip } from "../explore/strip.ts";
import { encodeModel } from "../import/onnx/codec.ts";

const SHAPE = smallShape();
const SIDE = 8;
const COUNT = 8;
let folder: string;
const at = (name: string) => join(folder, name);

/** A model file and its bundle. */
async function save(name: string, seed: number): Promise<void> {
  const bytes = encodeModel(hybridModel(SHAPE, { seed, name }));
  await writeFile(at(`${name}.onnx`), bytes);
  await writeBundle(at(name), (await compileModel(bytes, at(`${name}.onnx`))).bundle);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-eval-"));
  await save("one", 1);
  await save("two", 2);
  const records = randomImages(COUNT, SHAPE.input, 3).flatMap((image, i) => [
    i % 4,
    ...Array.from(image, (v) => v + 128),
  ]);
  await writeFile(at("test.bin"), Uint8Array.from(records));
});
afterAll(() => rm(folder, { recursive: true }));

const evaluate = (...args: string[]) => hedge("eval", ...args);

describe("hedge eval", () => {
  it("holds a bundle to its model, on every road", async () => {
    const { code, out } = await evaluate(
      at("one.onnx"),
      at("one"),
      "--data",
      at("test.bin"),
      "--offload",
      "4",
      "--figures",
    );
    expect(code).toBe(0);
    expect(out).toContain(`one on ${COUNT} images`);
    for (const name of ["reference", "v8", "wasm3"]) expect(out).toContain(`ok   ${name} = grid model: logits`);
    expect(out).toContain("offloaded path: labels: 4 of 4");
    expect(out).not.toContain("FAIL");
    const figures = out.split("\n").filter((line) => line.startsWith("figure "));
    expect(figures.map((line) => line.split(" ")[1])).toEqual([
      "eval.agreement",
      "eval.decisions",
      "eval.coverage",
      "eval.accuracy.system",
      "eval.accuracy.float",
      "eval.engines_identical",
    ]);
    expect(figures[0]).toBe("figure eval.agreement 100 %");
    expect(figures[5]).toBe("figure eval.engines_identical 1 bool");
  });

  it("compiles a model that comes alone, and takes a bundle alone", async () => {
    const options = ["--data", at("test.bin"), "--json", "--count", "3", "--reference-count", "1"];
    const alone = await evaluate(at("one.onnx"), "--engines", "v8", ...options);
    const model = JSON.parse(alone.out) as Evaluation;
    expect(model).toMatchObject({ samples: 3, truth: "grid model", halves: { samples: 3, labels: 3 } });
    expect(model.edges.map(({ kind }) => kind)).toEqual(["v8"]);
    const bundle = JSON.parse((await evaluate(at("one"), ...options)).out) as Evaluation;
    expect(bundle).toMatchObject({ truth: "v8", enginesIdentical: { samples: 3, identical: 3 } });
    expect(bundle.accuracy).toEqual(model.accuracy);
  });

  it("measures a model without engines", async () => {
    const { code, out } = await evaluate(at("one.onnx"), "--engines", "reference", "--data", at("test.bin"), "--json");
    expect(code).toBe(0);
    expect((JSON.parse(out) as Evaluation).edges.map(({ kind }) => kind)).toEqual(["reference"]);
  });

  it("ends with exit code 5 when the module is not the model's", async () => {
    const { bundle } = await compileModel(encodeModel(hybridModel(SHAPE, { seed: 2, name: "wrong" })), "wrong.onnx");
    const { manifest } = await readBundle(at("one"));
    const draft = { ...bundle.manifest, source: manifest.source };
    for (const sealed of ["format", "version", "parts", "digest"] as const) delete (draft as Partial<Manifest>)[sealed];
    await writeBundle(at("wrong"), await createBundle(draft, bundle));
    const { code, out, err } = await evaluate(at("one.onnx"), at("wrong"), "--data", at("test.bin"));
    expect(code).toBe(EXIT_CODES.check);
    expect(out).toContain("FAIL v8 = grid model: logits");
    expect(out).toContain("ok   engines identical to the bit");
    expect(err).toMatch(/\d+ of \d+ checks failed: v8 = grid model: l/);
  });

  it.each<[string, string[], number, RegExp]>([
    ["the bundle of another model", ["one.onnx", "two"], EXIT_CODES.input, /two was compiled from another file/],
    ["two models", ["one.onnx", "two.onnx"], EXIT_CODES.usage, /several models/],
    ["a path to nowhere", ["none.onnx"], EXIT_CODES.input, /none\.onnx does not exist/],
    ["a file that is no model", ["test.bin"], EXIT_CODES.input, /test\.bin is not an ONNX model/],
    ["a folder that is no bundle", ["."], EXIT_CODES.input, /manifest\.json/],
  ])("refuses %s", async (_, paths, expected, message) => {
    const { code, err } = await evaluate(...paths.map(at), "--data", at("test.bin"));
    expect(err).toMatch(message);
    expect(code).toBe(expected);
  });

  it("takes a folder of labelled images", async () => {
    const images = randomImages(COUNT, SHAPE.input, 3).map((image) => Uint8Array.from(image, (v) => v + 128));
    const labels = images.map((_, i) => i % 4);
    const { classes } = (await readBundle(at("one"))).manifest;
    const description = { source: "test", classes, shape: [3, SIDE, SIDE], labels, indices: labels.map((_, i) => i) };
    await mkdir(at("strip"));
    await writeFile(at("strip/strip.png"), encodeStrip(images, SIDE * SIDE));
    await writeFile(at("strip/labels.json"), JSON.stringify(description));
    const strip = await evaluate(at("one"), "--images", at("strip"), "--json");
    const records = await evaluate(at("one"), "--data", at("test.bin"), "--json");
    expect(strip.code).toBe(0);
    expect(JSON.parse(strip.out).accuracy).toEqual(JSON.parse(records.out).accuracy);
  });

  it("needs one source of images", async () => {
    const none = await evaluate(at("one"));
    expect(none).toMatchObject({ code: EXIT_CODES.usage, err: expect.stringMatching(/no images/) });
    const both = await evaluate(at("one"), "--data", at("test.bin"), "--images", folder);
    expect(both).toMatchObject({ code: EXIT_CODES.usage, err: expect.stringMatching(/two sources/) });
  });

  it("refuses an engine that there is not", async () => {
    const { code, err } = await evaluate(at("one"), "--data", at("test.bin"), "--engines", "v8,v9");
    expect(err).toMatch(/"v9" is none of reference, wasm3, v8/);
    expect(code).toBe(EXIT_CODES.usage);
  });
});
