/** `hedge compile --snap` of hybrid models: the part for the device on grids, the cloud part as it was, both in one file. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_CODES } from "../src/errors.ts";
import { decodeModel, encodeModel } from "../src/import/onnx/codec.ts";
import { floatHybrid, floatSamples } from "./support/float-hybrid.ts";
import { hedge } from "./support/in-process.ts";

const SAMPLES = 12;
const { model, cut, exit } = floatHybrid();
let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-snap-hybrid-"));
  const samples = floatSamples(SAMPLES).map((sample) => [...sample]);
  await writeFile(file("float.onnx"), encodeModel(model));
  await writeFile(file("said.onnx"), encodeModel(floatHybrid({ metadata: true }).model));
  await writeFile(file("samples.json"), JSON.stringify(samples));
  await writeFile(file("labels.json"), JSON.stringify(samples.map((_, i) => i % 4)));
});
afterAll(() => rm(folder, { recursive: true }));

const flags = ["--cut", cut, "--exit", `${exit}:entropy:0.5`];
const compile = (name: string, out: string, ...args: string[]) =>
  hedge("compile", file(name), "-o", file(out), ...args);
const snap = (...args: string[]) =>
  compile("float.onnx", "out", "--snap", "--calibrate", file("samples.json"), ...flags, ...args);
const manifest = async (out: string) => JSON.parse(await readFile(file(`${out}/manifest.json`), "utf8"));

describe("hedge compile --snap of a hybrid model", () => {
  it("tells of the exit and of the whole network, and writes a model that compiles to the same bundle", async () => {
    const { code, out, err } = await snap("--labels", file("labels.json"), "--write-snapped", file("snapped.onnx"));
    expect([code, err]).toEqual([0, ""]);
    for (const part of ["exit", "whole network"]) {
      expect(out).toMatch(RegExp(`${part}: accuracy of the original \\d+\\.\\d %, of the snapped model \\d+\\.\\d %`));
      expect(out).toMatch(RegExp(`${part}: snapped: the original's label on \\d+\\.\\d % of 12 samples`));
    }
    expect(out).toContain("the module is the snapped model on 12 of 12 samples");
    const { graph } = decodeModel(await readFile(file("snapped.onnx")), "snapped.onnx");
    expect(graph.input.map(({ name }) => name)).toEqual(["input"]);
    expect(graph.output.map(({ name }) => name)).toEqual([exit, "head.gemm"]);
    expect((await compile("snapped.onnx", "again")).err).toBe("");
    expect(await manifest("again")).toEqual(await manifest("out"));
  });

  it.each([1, 2, 4])("sends %i bits where --snap-tensor says so", async (bits) => {
    const { out } = await snap("--snap-tensor", `${cut}:${bits}`, "--json");
    const { snap: found, payloadBytes } = JSON.parse(out);
    expect(found).toMatchObject({ samples: SAMPLES, equal: SAMPLES });
    expect(payloadBytes).toBe(9 * 7 * Math.ceil((6 * bits) / 8));
    expect((await manifest("out")).payload).toMatchObject({ tensor: cut, bits });
  });

  it("keeps what the metadata say", async () => {
    const args = ["--snap", "--calibrate", file("samples.json"), "--json"];
    const { snap: found } = JSON.parse((await compile("said.onnx", "out", ...args)).out);
    expect(found).toMatchObject({ samples: SAMPLES, equal: SAMPLES });
    expect(await manifest("out")).toMatchObject({
      name: "said",
      classes: ["ant", "bee", "cat", "dog"],
      input: { pixelZero: 128, pixelStep: 1 / 32 },
      exit: { tensor: exit, threshold: 0.25 },
      cloud: { input: cut, output: "head.gemm" },
    });
  });

  it.each<[string, string[], RegExp]>([
    ["3 bits of the cut", ["--snap-tensor", `${cut}:3`], /the cut "edge.sum.relu" cannot have 3 bits/],
    ["1 bit of another tensor", ["--snap-tensor", "edge.0.relu:1"], /"edge.0.relu" cannot have 1 bits/],
  ])("refuses %s", async (_, args, message) => {
    const { code, err } = await snap(...args);
    expect(code).toBe(EXIT_CODES.usage);
    expect(err).toMatch(message);
  });
});
