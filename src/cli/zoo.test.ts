import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hedge } from "../../test/support/in-process.ts";
import { expectError } from "../../test/support/refusal.ts";
import { EXIT_CODES } from "../errors.ts";
import { encodeModel } from "../import/onnx/codec.ts";
import { zooModel } from "../zoo/zoo.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-zoo-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("writes the model that was asked for", async () => {
  const file = join(folder, "mlp.onnx");
  const { code, out } = await hedge("--json", "zoo", "mlp", "-f", "qkeras", "-b", "2W4A", "-s", "7", "-o", file);
  const bits = { weights: 2, activations: 4 };
  const expected = encodeModel(zooModel("mlp", { flavour: "qkeras", bits, seed: 7 }));
  expect([code, JSON.parse(out)]).toEqual([0, { file, bytes: expected.length }]);
  expect(new Uint8Array(await readFile(file))).toEqual(expected);
});

it("lists the networks", async () => {
  const { code, out } = await hedge("zoo");
  expect(code).toBe(0);
  for (const name of ["ds-cnn", "resnet32-20e"]) expect(out).toMatch(new RegExp(`^${name} `, "m"));
});

it.each([
  ["an unknown network", ["zoo", "vgg"], EXIT_CODES.usage],
  ["bits that are none", ["zoo", "mlp", "-b", "4bit"], EXIT_CODES.usage],
  ["a folder that does not exist", ["zoo", "mlp", "-o", "/nowhere/mlp.onnx"], EXIT_CODES.input],
])("refuses %s", async (_, args, code) => {
  expectError(await hedge(...args), code);
});
