/** Edge-only bundles through the commands: they answer by themselves, and who offloads refuses them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBundle } from "../src/bundle/bundle.ts";
import { compileFile } from "../src/bundle/compile.ts";
import { readBundle } from "../src/bundle/read.ts";
import { writeBundle } from "../src/bundle/write.ts";
import { EXIT_CODES } from "../src/errors.ts";
import { runGraph } from "../src/graph/run.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { OnnxModel } from "../src/import/onnx/types.ts";
import { zooModel } from "../src/zoo/zoo.ts";
import { hybridModel, smallShape } from "./support/hybrid-model.ts";
import { hedge } from "./support/in-process.ts";
import { expectError } from "./support/refusal.ts";
import { assemble, tinyBundle, tinyDraft } from "./support/tiny-bundle.ts";

let folder: string;
const at = (name: string) => join(folder, name);
/** Label -1, exited, entropy 0, then -7, 0, 3. */
const VALUES_WASM = `(module
  (import "hedge" "load_weights" (func (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (func (export "step") (param i32) (result i32)
    (i32.store (i32.const 16) (i32.const -1)) (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 28) (i32.const -7)) (i32.store (i32.const 36) (i32.const 3)) (i32.const 1)))`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-edge-only-"));
  await writeBundle(at("labels"), await tinyBundle({ edgeOnly: true }));
  const draft = tinyDraft({ edgeOnly: true });
  const output = { ...draft.output!, zero: 1, labels: false };
  const parts = { edgeWasm: assemble(VALUES_WASM), weights: new Uint8Array(3) };
  await writeBundle(at("values"), await createBundle({ ...draft, classes: [], output }, parts));
  await writeFile(at("pixels.json"), "[[[0, 0.25], [0.5, 0]]]");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("an edge-only model", () => {
  it("answers hedge run with a label", async () => {
    const { code, out } = await hedge("run", at("labels"), at("pixels.json"));
    expect([code, out]).toEqual([0, `${at("pixels.json")}: middle\n`]);
    const { out: json } = await hedge("--json", "run", at("labels"), at("pixels.json"), "--engine", "v8");
    const logits = [0 + 5, 32 - 3, 64 + 1].map((n) => n / 8);
    expect(JSON.parse(json)).toEqual([
      { sample: at("pixels.json"), label: 2, class: "middle", source: "edge", outputs: logits, payloadBytes: 0 },
    ]);
  });

  it("answers hedge run with values where they name no label", async () => {
    const { code, out } = await hedge("run", at("values"), at("pixels.json"));
    expect([code, out]).toEqual([0, `${at("pixels.json")}: -1 -0.125 0.25\n`]);
  });

  it("tells hedge inspect what it answers", async () => {
    expect((await hedge("inspect", at("labels"))).out).toContain("answers   one of 3 labels (edge-only)");
    expect((await hedge("inspect", at("values"))).out).toContain("answers   3 values (edge-only)");
    const { offload, output } = JSON.parse((await hedge("--json", "inspect", at("labels"))).out);
    expect([offload, output]).toEqual([undefined, { shape: [3], labels: true }]);
  });

  it.each([
    ["run over a broker", () => ["run", at("labels"), at("pixels.json"), "--broker", "mqtt://127.0.0.1:1"]],
    ["worker", () => ["--quiet", "worker", at("labels")]],
  ])("is refused by hedge %s", async (_, args) => {
    const outcome = await hedge(...args());
    expectError(outcome, EXIT_CODES.input);
    expect(outcome.err).toContain("The bundle tiny has no cloud part: it is edge-only");
  });

  it("has no exit that --threshold could apply to", async () => {
    const outcome = await hedge("run", at("labels"), at("pixels.json"), "--threshold", "0.2");
    expectError(outcome, EXIT_CODES.usage);
    expect(outcome.err).toContain("is an edge-only model");
  });
});

describe("a model without metadata", () => {
  const write = async (name: string, content: OnnxModel) => {
    await writeFile(at(name), encodeModel(content));
    return at(name);
  };

  it("compiles as a whole, and answers what the reference kernels do", async () => {
    const path = await write("mlp.onnx", zooModel("mlp", { flavour: "brevitas" }));
    const { code, out } = await hedge("compile", path, "-o", at("mlp"), "--input", "128:1/64");
    expect([code, out]).toEqual([0, expect.stringContaining("edge-only: it answers every sample itself")]);
    const { graph, plan } = await compileFile(path, { input: { zero: 128, step: 1 / 64 } });
    const sample = Array.from({ length: 16 }, (_, i) => (((i * 37) % 256) - 128) / 64);
    await writeFile(at("sample.json"), JSON.stringify(sample));
    const expected = runGraph(graph, sample).get(plan.output!.tensor)!;
    for (const engine of ["wasm3", "v8"]) {
      const answer = JSON.parse((await hedge("--json", "run", at("mlp"), at("sample.json"), "-e", engine)).out);
      expect(answer).toMatchObject([
        { label: expected.indexOf(Math.max(...expected)), source: "edge", payloadBytes: 0 },
      ]);
      expect(answer[0].outputs).toEqual([...expected]);
    }
  });

  it("is held to its model by hedge eval: the reference to the bit, onnxruntime by its labels", async () => {
    const path = await write("qkeras.onnx", zooModel("mlp", { flavour: "qkeras" }));
    expect((await hedge("compile", path, "-o", at("qkeras"))).code).toBe(0);
    const records = Array.from({ length: 30 }, (_, i) => [
      i % 5,
      ...Array.from({ length: 16 }, (_, k) => (i * 83 + k * 37) % 256),
    ]);
    await writeFile(at("records.bin"), Buffer.from(records.flat()));
    const args = ["eval", path, at("qkeras"), "--data", at("records.bin")];
    const evaluation = JSON.parse((await hedge("--json", ...args)).out);
    expect(evaluation).toMatchObject({
      samples: 30,
      original: { accuracy: evaluation.accuracy, labels: 30 },
      rows: [
        { kind: "reference", samples: 20, identical: 20 },
        { kind: "v8", samples: 20, identical: 20 },
        { kind: "wasm3", samples: 30, identical: 30 },
      ],
      checks: [{ holds: true }, { holds: true }],
    });
    expect((await hedge(...args)).out).toContain("ok   wasm3 = v8: outputs: 30 of 30");
    const threshold = await hedge(...args, "--threshold", "1");
    expectError(threshold, EXIT_CODES.usage);
    expect(threshold.err).toContain("--threshold says nothing of it");
  });

  it("is a hybrid one with --cut and --exit, byte for byte that of the metadata", async () => {
    const model = hybridModel(smallShape({ channels: 3 }));
    const { bundle } = await compileFile(await write("with.onnx", model));
    const [cut, logits] = [bundle.manifest.cloud!.input, bundle.manifest.exit!.tensor];
    const bare = await write("without.onnx", { ...model, metadataProps: [] });
    const flags = ["--cut", cut, "--exit", `${logits}:entropy:0.25`];
    expect((await hedge("compile", bare, "-o", at("flags"), ...flags)).code).toBe(0);
    const by = await readBundle(at("flags"));
    expect(by.edgeWasm).toEqual(bundle.edgeWasm);
    expect(by.weights).toEqual(bundle.weights);
    expect(by.manifest.exit).toEqual({ ...bundle.manifest.exit, threshold: 0.25 });
    expect(by.manifest.classes).toEqual(["0", "1", "2", "3"]);
  });

  it.each([
    ["half a hybrid model", ["--cut", "payload"], EXIT_CODES.usage, "takes one cut and one exit, or neither"],
    ["an exit without a rule", ["--exit", "exit_logits"], EXIT_CODES.usage, '"exit_logits" does not say an exit.'],
    ["a rule that there is not", ["--exit", "exit_logits:luck:1"], EXIT_CODES.usage, "does not say an exit."],
    ["a threshold that is none", ["--exit", "exit_logits:entropy:-1"], EXIT_CODES.usage, "does not say an exit."],
    ["an input without a step", ["--input", "128"], EXIT_CODES.usage, "does not say how the input enters."],
    ["a zero that is no byte", ["--input", "256:1"], EXIT_CODES.usage, "does not say how the input enters."],
    ["a step of nothing", ["--input", "0:1/0"], EXIT_CODES.usage, "does not say how the input enters."],
    ["a cut that is not there", ["--cut", "x", "--exit", "exit_logits:entropy:1"], EXIT_CODES.input, "error H108: "],
  ])("is refused with options that say %s", async (_, flags, code, message) => {
    const path = await write("bare.onnx", { ...hybridModel(smallShape({ channels: 3 })), metadataProps: [] });
    const outcome = await hedge("compile", path, "-o", at("refused"), ...flags);
    expectError(outcome, code);
    expect(outcome.err).toContain(message);
  });
});
