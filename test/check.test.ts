/** `hedge check`: everything that keeps a model from compiling, of all stages at once; of one that compiles, what it becomes. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_CODES } from "../src/errors.ts";
import { floats, model, node, value } from "../src/import/onnx/build.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { OnnxModel } from "../src/import/onnx/types.ts";
import { zooModel } from "../src/zoo/zoo.ts";
import { ModelEditor } from "./support/edit-model.ts";
import { hybridModel } from "./support/hybrid-model.ts";
import { hedge } from "./support/in-process.ts";
import { SMALL } from "./support/refusal.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-check-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function check(content: OnnxModel, ...args: string[]) {
  const path = join(folder, "model.onnx");
  await writeFile(path, encodeModel(content));
  const outcome = await hedge("check", path, ...args);
  expect(await readdir(folder)).toEqual(["model.onnx"]);
  return { path, ...outcome };
}

const scalars = (values: Record<string, number>) => Object.entries(values).map(([name, of]) => floats(name, [], [of]));
const quant = (x: string, y: string, bits = "bits") => node("Quant", [x, "scale", "zero", bits], [y]);
/** x -> nodes -> y, vectors of four values. */
const network = (...nodes: ReturnType<typeof node>[]) =>
  model({
    nodes,
    initializers: [
      ...scalars({ scale: 2 ** -6, zero: 0, bits: 8, word: 16, nothing: 0 }),
      floats(
        "large",
        [4, 4],
        new Float32Array(16).map((_, i) => 40_001 + i),
      ),
    ],
    inputs: [value("x", [1, 4])],
    outputs: [value("y", [1, 4])],
  });

describe("of a model that does not compile", () => {
  it("lists every node that does not import, and the layers in front of them that have no kernel", async () => {
    const content = network(
      quant("x", "a", "word"),
      node("MatMul", ["a", "large"], ["b"]),
      quant("b", "c"),
      node("Erf", ["c"], ["d"]),
      quant("d", "e"),
      node("Tanh", ["e"], ["y"]),
    );
    const { path, code, out, err } = await check(content);
    expect(code).toBe(EXIT_CODES.check);
    expect(err).toBe(
      `error: ${path} does not compile: 3 problems.\n` +
        "  Change the model where the list says so; docs/operators.md says what compiles.\n",
    );
    const lines = out.trimEnd().split("\n");
    expect(lines.filter((_, i) => i % 2 === 0).map((line) => line.slice(0, 40))).toEqual([
      'H201 Erf "Erf:d": this operator does not',
      'H201 Tanh "Tanh:y": this operator does n',
      'H402 Node "MatMul:b" (gemm) works on "b"',
      `${path}: 6 nodes for the device: 1 Erf, 1`.slice(0, 40),
    ]);
    expect(lines[1]).toMatch(/^ {5}Replace it by operators of docs\/operators\.md/);
    expect(lines.at(-1)).toBe(`${path}: 6 nodes for the device: 1 Erf, 1 MatMul, 3 Quant, 1 Tanh`);
  });

  it("lists every quantiser that passes cannot fold, and what the planner has no kernel for", async () => {
    const content = network(
      quant("x", "a"),
      node("Div", ["a", "nothing"], ["b"]),
      quant("b", "c"),
      node("Div", ["c", "nothing"], ["d"]),
      quant("d", "y"),
    );
    const { code, out } = await check(content, "--json");
    expect(code).toBe(EXIT_CODES.check);
    const { problems, layers } = JSON.parse(out);
    expect(problems.map((problem: { code: string }) => problem.code)).toEqual(["H306", "H306"]);
    expect(problems[1].message).toContain('"Quant:y"');
    expect(layers).toEqual({});
  });

  it("says that snapping puts a float model on grids", async () => {
    const { err, out } = await check(zooModel("mlp", { flavour: "float" }));
    expect(err).toMatch(/It has no quantisers: hedge compile --snap --calibrate SAMPLES puts it on integer grids/);
    expect(out).toContain("or calibrate it (--snap)");
  });

  it("goes on to the cloud part of a hybrid model", async () => {
    const edit = new ModelEditor(hybridModel(SMALL));
    edit.constant("first.bias", [3], [1e6, 1e6, 1e6]);
    Object.assign(edit.node("cloud.relu"), { domain: "com.acme" });
    edit.model.opsetImport.push({ domain: "com.acme", version: 1 });
    const { out } = await check(edit.model, "--json");
    expect(JSON.parse(out).problems.map((problem: { code: string }) => problem.code)).toContain("H305");
  });

  it("is an error of input where there is no model to look at", async () => {
    const missing = await hedge("check", join(folder, "none.onnx"));
    expect(missing.code).toBe(EXIT_CODES.input);
    const usage = await check(network(quant("x", "y")), "--cut", "y");
    expect(usage.code).toBe(EXIT_CODES.usage);
  });
});

describe("of a model that compiles", () => {
  it("says what it becomes", async () => {
    const { path, code, out, err } = await check(hybridModel(SMALL));
    expect([code, err]).toEqual([0, ""]);
    const [nodes, layers, bits] = out.replace(path, "model").trimEnd().split("\n");
    expect(nodes).toMatch(/^model: \d+ nodes for the device: 2 Add, 2 AveragePool, /);
    expect(layers).toMatch(/^compiles to 6 layers: 2 binary-conv, 1 dense-exit, 1 exit-pool, 1 lane-conv, 1 payload$/);
    expect(bits).toBe("weights and activations: 2 1W1A, 2 8W8A");
  });

  it("says where the module is not the model to the bit", async () => {
    const { code, out } = await check(zooModel("mlp", { flavour: "qdq" }), "--json");
    const { problems, notes, operators } = JSON.parse(out);
    expect([code, problems]).toEqual([0, []]);
    expect(notes.join()).toContain("boundaries");
    expect(operators).toMatchObject({ Gemm: 4, QuantizeLinear: 5 });
  });

  it("takes the cut and the exit from the command line", async () => {
    const bare = { ...hybridModel(SMALL), metadataProps: [] };
    const { code, out } = await check(bare, "--cut", "payload", "--exit", "exit_logits:entropy:0.5", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out).layers).toMatchObject({ "dense-exit": 1, payload: 1 });
  });
});
