/** Edge-only bundles through the commands: they answer by themselves, and who offloads refuses them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBundle } from "../src/bundle/bundle.ts";
import { writeBundle } from "../src/bundle/write.ts";
import { EXIT_CODES } from "../src/errors.ts";
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
