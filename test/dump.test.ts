/** Every stage of a compilation can be read: `hedge compile --dump`. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT_CODES } from "../src/errors.ts";
import { attribute } from "../src/import/onnx/build.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import { PASSES } from "../src/passes/index.ts";
import { ModelEditor } from "./support/edit-model.ts";
import { hybridModel, smallShape } from "./support/hybrid-model.ts";
import { hedge } from "./support/in-process.ts";
import { expectError } from "./support/refusal.ts";
import { assemble } from "./support/tiny-bundle.ts";

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-dump-"));
  await writeFile(at("small.onnx"), encodeModel(hybridModel(smallShape({ channels: 3 }))));
});
afterAll(() => rm(folder, { recursive: true }));

const compile = (...args: string[]) => hedge("compile", at("small.onnx"), "-o", at("out"), ...args);
const PASS_FILES = ["import", ...PASSES.map(({ name }) => name)].map(
  (name, i) => `pass-${String(i).padStart(2, "0")}-${name}.txt`,
);

it("writes the graph behind each pass, the plan and the module into a folder", async () => {
  const { code, out } = await compile("--dump", "pass,plan,wat", "--dump-dir", at("stages", "deep"));
  expect(code).toBe(0);
  expect(out).not.toContain("==>");
  const folderOf = at("stages", "deep");
  expect((await readdir(folderOf)).sort()).toEqual(["edge.wat", ...PASS_FILES, "plan.txt"]);
  const read = (file: string) => readFile(join(folderOf, file), "utf8");

  const imported = await read(PASS_FILES[0]!);
  expect(imported).toMatch(/^graph random-hybrid\ninput image : \[3,8,8\], -128\.\.127 \* 2\^-6\n/);
  expect(imported).toMatch(
    /\nlayer\.0\.sign = bipolarQuant\(layer\.0\.norm\) \{scale: 1\} : \[3,8,8\], -1\.\.1 \* 2\^0\n/,
  );
  expect(imported).toMatch(/\noutputs exit_logits, payload\n$/);
  const lowered = await read(PASS_FILES.at(-1)!);
  expect(lowered).toMatch(/\nlayer\.0\.sign = threshold\(stream\.0, layer\.0\.sign\.thresholds\) \{/);
  expect(lowered).not.toContain("batchNorm");

  const plan = await read("plan.txt");
  expect(plan).toMatch(
    /^plan random-hybrid: \d+ bytes of memory, \d+ bytes of weights, \d+ steps\ninput @\d+\[\d+\], /,
  );
  expect(plan).toMatch(/\npayload @\d+\[32\]: \[6,4,4\], 2 bits, /);
  expect(plan).toMatch(/\nstep 1\n {2}stream\.1 = binary-conv : \[3,8,8\], 1-bit weights, /);
  expect(plan).toMatch(/\n {4}output @\d+\[\d+\], weights \+\d+\[\d+\], scratch @\d+\[\d+\]/);

  // The text is the module: put together again it is what the bundle holds.
  const bytes = await readFile(at("out", "edge.wasm"));
  expect(Buffer.compare(assemble(await read("edge.wat")), bytes)).toBe(0);
});

it("writes them to stdout, each under its name", async () => {
  const { code, out } = await compile("--dump", "plan");
  expect(code).toBe(0);
  expect(out).toMatch(/^==> plan\.txt\nplan random-hybrid: /);
  expect(out).not.toContain("==> pass");
});

it("shows what was there before a compilation failed", async () => {
  const edit = new ModelEditor(hybridModel(smallShape({ channels: 3 })));
  const { attribute: attributes } = edit.node("stream.1");
  attributes[attributes.findIndex(({ name }) => name === "rounding_mode")] = attribute("rounding_mode", {
    string: "CEIL",
  });
  edit.constant("stream.1.bits", [], [32]);
  await writeFile(at("bad.onnx"), encodeModel(edit.model));
  const { code } = await hedge("compile", at("bad.onnx"), "-o", at("none"), "--dump", "pass", "--dump-dir", at("seen"));
  expect(code).toBe(EXIT_CODES.input);
  expect(await readdir(at("seen"))).toContain(PASS_FILES[0]);
});

it("refuses a stage that there is not, and a folder that cannot be made", async () => {
  const stage = await compile("--dump", "pass,asm");
  expectError(stage, EXIT_CODES.usage);
  expect(stage.err).toContain('"asm" is none of pass, plan, wat.');
  const useless = await compile("--dump-dir", at("stages"));
  expect([useless.code, useless.err]).toEqual([EXIT_CODES.usage, expect.stringMatching(/--dump-dir goes with --dump/)]);
  const place = await compile("--dump", "plan", "--dump-dir", at("small.onnx"));
  expectError(place, EXIT_CODES.input);
  expect(place.err).toContain("plan.txt cannot be written");
});
