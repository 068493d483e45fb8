/** `hedge compile --snap`: from a float model and samples to a bundle, and what is said about it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_CODES } from "../src/errors.ts";
import { decodeModel, encodeModel } from "../src/import/onnx/codec.ts";
import { zooModel } from "../src/zoo/zoo.ts";
import { hedge } from "./support/in-process.ts";
import { randomFrom } from "./support/random.ts";

const SAMPLES = 20;
let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-snap-"));
  const random = randomFrom(1);
  const samples = Array.from({ length: SAMPLES }, () => Array.from({ length: 16 }, () => 4 * random() - 2));
  await writeFile(file("float.onnx"), encodeModel(zooModel("mlp", { flavour: "float" })));
  await writeFile(file("samples.json"), JSON.stringify(samples));
  await writeFile(file("labels.json"), JSON.stringify(samples.map((_, i) => i % 5)));
});
afterAll(() => rm(folder, { recursive: true }));

const compile = (...args: string[]) => hedge("compile", file("float.onnx"), "-o", file("out"), ...args);

describe("hedge compile --snap", () => {
  it("tells accuracies, holds the module to the snapped model, and writes that", async () => {
    const snapping = ["--snap", "--calibrate", file("samples.json")];
    const more = ["--labels", file("labels.json"), "--write-snapped", file("snapped.onnx")];
    const { code, out, err } = await compile(...snapping, ...more);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/accuracy of the original \d+\.\d %, of the snapped model \d+\.\d %/);
    expect(out).toContain(`the module is the snapped model on ${SAMPLES} of ${SAMPLES} samples`);
    const { graph } = decodeModel(await readFile(file("snapped.onnx")), "snapped.onnx");
    expect(graph.node.filter(({ opType }) => opType === "Quant").length).toBeGreaterThan(8);
    // What was written compiles to the same module.
    const first = JSON.parse((await compile(...snapping, "--json")).out);
    const again = await hedge("compile", file("snapped.onnx"), "-o", file("again"), "--json");
    expect(JSON.parse(again.out).weightBytes).toBe(first.weightBytes);
    expect(first.snap).toMatchObject({ samples: SAMPLES, equal: SAMPLES });
  });

  it.each<[string, string[], RegExp]>([
    ["samples without --snap", ["--calibrate", "samples.json"], /--calibrate goes with --snap/],
    ["bits without --snap", ["--snap-bits", "16"], /--snap-bits goes with --snap/],
    ["a tensor's bits without --snap", ["--snap-tensor", "relu:4"], /--snap-tensor goes with --snap/],
    ["--snap without samples", ["--snap"], /--snap needs samples/],
    ["a tensor without bits", ["--snap", "--calibrate", "samples.json", "--snap-tensor", "relu"], /TENSOR:BITS/],
    ["other bits", ["--snap", "--calibrate", "samples.json", "--snap-bits", "7"], /snap-bits/],
  ])("refuses %s", async (_, args, message) => {
    const { code, err } = await compile(...args);
    expect(code).toBe(EXIT_CODES.usage);
    expect(err).toMatch(message);
  });

  it("refuses a model that is quantised already", async () => {
    const quantised = file("quantised.onnx");
    await writeFile(quantised, encodeModel(zooModel("mlp", { flavour: "qkeras" })));
    const { code, err } = await hedge(
      "compile",
      quantised,
      "-o",
      file("out"),
      "--snap",
      "--calibrate",
      file("samples.json"),
    );
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toMatch(/quantised already: .*\n {2}Compile it without --snap/);
  });

  it("says where it cannot write the snapped model", async () => {
    const snapping = ["--snap", "--calibrate", file("samples.json")];
    const { code, err } = await compile(...snapping, "--write-snapped", file("nowhere/snapped.onnx"));
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toMatch(/nowhere\/snapped.onnx cannot be written/);
  });

  it("refuses labels that are not one for each sample", async () => {
    await writeFile(file("few.json"), "[1, 2]");
    const { code, err } = await compile("--snap", "--calibrate", file("samples.json"), "--labels", file("few.json"));
    expect(code).toBe(EXIT_CODES.input);
    expect(err).toMatch(/few.json holds 2 labels for 20 samples/);
  });
});
