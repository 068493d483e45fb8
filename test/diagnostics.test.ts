/** Every row of the table of diagnostics is what some model gets to hear. */
import { closeSync, openSync, truncateSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DIAGNOSTICS, type DiagnosticCode } from "../src/diagnostics.ts";
import { EXIT_CODES } from "../src/errors.ts";
import { attribute, floats, model, node, value } from "../src/import/onnx/build.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import { EXTERNAL, type OnnxModel, type OnnxNode, type OnnxTensor } from "../src/import/onnx/types.ts";
import { ModelEditor } from "./support/edit-model.ts";
import { hybridModel, smallShape } from "./support/hybrid-model.ts";
import { hedge } from "./support/in-process.ts";
import { SMALL } from "./support/refusal.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-diagnostics-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The small hybrid model after a change. */
function changed(change: (edit: ModelEditor) => unknown): OnnxModel {
  const edit = new ModelEditor(hybridModel(SMALL));
  change(edit);
  return edit.model;
}

function initializer({ model: { graph } }: ModelEditor, name: string): OnnxTensor {
  return graph.initializer.find((tensor) => tensor.name === name)!;
}

const keptIn = (location: string) => ({ dataLocation: EXTERNAL, externalData: [{ key: "location", value: location }] });

/** An edge-only model: x, four values, -> nodes -> y. */
const bare = (nodes: readonly OnnxNode[], initializers: readonly OnnxTensor[], elements = 4) =>
  model({ nodes, initializers, inputs: [value("x", [1, elements])], outputs: [value("y", [1, elements])] });

const scalars = (values: Record<string, number>) => Object.entries(values).map(([name, of]) => floats(name, [], [of]));
const quant = (x: string, y: string, [scale, bits] = ["scale", "bits"]) => node("Quant", [x, scale, "zero", bits], [y]);
const BYTE = scalars({ scale: 2 ** -6, zero: 0, bits: 8 });

const CASES: Record<DiagnosticCode, () => OnnxModel | Uint8Array> = {
  H101: () => new TextEncoder().encode("a model, honestly"),
  H102: () => {
    // Sparse: takes no space.
    closeSync(openSync(join(folder, "sparse.bin"), "w"));
    truncateSync(join(folder, "sparse.bin"), 600 << 20);
    return changed((e) => Object.assign(initializer(e, "first.weight"), keptIn("sparse.bin")));
  },
  H103: () => ({ ...hybridModel(SMALL), irVersion: 99 }),
  H104: () => changed((e) => Object.assign(initializer(e, "first.weight"), { dims: [3, 3, 3, 4] })),
  H105: () => changed((e) => Object.assign(initializer(e, "first.weight"), { dataType: 8 })),
  H106: () => changed((e) => Object.assign(initializer(e, "first.weight"), keptIn("none.bin"))),
  H107: () => changed((e) => e.metadata("hedge.classes", undefined)),
  H108: () => changed((e) => e.metadata("hedge.cut", "nowhere")),
  H109: () => changed((e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 3, "height", 8]))),
  H110: () => bare([node("Relu", ["x"], ["y"])], []),
  H201: () => changed((e) => Object.assign(e.node("exit.relu"), { opType: "HardSwish" })),
  H202: () => changed((e) => e.node("layer.0.norm").attribute.push(attribute("training_mode", { int: 1 }))),
  H203: () => changed((e) => e.constant("first.bias", [2], [1, 1])),
  H204: () => changed((e) => e.constant("stream.0.scale", [], [Number.NaN])),
  H205: () => changed((e) => e.node("layer.0.conv").input.splice(1, 1, "stream.0")),
  H206: () => changed((e) => e.node("exit.relu").input.splice(0, 1, "nowhere")),
  H207: () => changed((e) => e.node("first.conv").input.splice(0, 1, "stream.1")),
  H208: () => changed((e) => e.model.graph.node.push(node("Relu", ["stream.0"], ["stream.1"]))),
  H209: () =>
    changed((e) => {
      const relus = Array.from({ length: 5000 }, (_, i) => node("Relu", [i ? `r.${i - 1}` : "stream.0"], [`r.${i}`]));
      e.model.graph.node.push(...relus);
      e.node("exit.relu").input.splice(0, 1, "r.4999");
    }),
  H210: () =>
    bare(
      [node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
      [floats("a", [100_000, 1], new Float32Array(100_000)), floats("b", [1, 100_000], new Float32Array(100_000))],
    ),
  H301: () =>
    changed((e) => {
      // 1.5 * gamma lies half way between two float32 numbers: it reaches -beta in float32, and is less than it in truth.
      e.constant("layer.0.norm.gamma", [3], new Array(3).fill(11184813 * 2 ** -25));
      e.constant("layer.0.norm.beta", [3], new Array(3).fill(-16777220 * 2 ** -25));
      e.constant("layer.0.norm.mean", [3], [0, 0, 0]);
    }),
  H302: () =>
    bare(
      [quant("x", "q", ["fine", "word"]), node("Mul", ["q", "q"], ["m"]), quant("m", "y")],
      [...BYTE, ...scalars({ fine: 2 ** -10, word: 16 })],
    ),
  H303: () => changed((e) => e.constant("first.bias", [3], new Array(3).fill(2 ** 12 + 2 ** -11))),
  H304: () => changed((e) => e.node("cloud.relu").input.splice(0, 1, "stream.2")),
  H305: () =>
    changed((e) => {
      Object.assign(e.node("cloud.relu"), { domain: "com.acme" });
      e.model.opsetImport.push({ domain: "com.acme", version: 1 });
    }),
  H306: () =>
    bare(
      [quant("x", "q"), node("Div", ["q", "none"], ["d"]), quant("d", "y")],
      [...BYTE, floats("none", [1, 4], [0, 0, 0, 0])],
    ),
  H401: () =>
    bare(
      [quant("x", "q"), quant("w.wide", "w", ["scale", "wide"]), node("MatMul", ["q", "w"], ["m"]), quant("m", "y")],
      [...BYTE, ...scalars({ wide: 20 }), floats("w.wide", [4, 4], new Float32Array(16).fill(4000))],
    ),
  H402: () =>
    bare(
      [quant("x", "q", ["fine", "word"]), node("MatMul", ["q", "w"], ["m"]), quant("m", "y")],
      [
        ...BYTE,
        ...scalars({ fine: 2 ** -10, word: 16 }),
        floats(
          "w",
          [4, 4],
          new Float32Array(16).map((_, i) => 40_000 + i),
        ),
      ],
    ),
  H405: () => hybridModel({ ...smallShape({ channels: 16, side: 64 }), exitWindow: 32 }),
  H406: () => changed((e) => e.metadata("hedge.cut", "layer.0.sum")),
  H501: () => hybridModel(SMALL),
};

/** What asks for a diagnosis: `hedge check`, except where only a compilation with a goal can fail. */
async function commandOf(code: string, path: string): Promise<string[]> {
  if (code !== "H501") return ["check", path];
  const board = join(folder, "board.json");
  const memory = { ramBytes: 2048, flashBytes: 65536 };
  const firmware = { ramBytes: 1024, flashBytes: 1024 };
  await writeFile(
    board,
    JSON.stringify({ name: "tiny", title: "Tiny", core: "Cortex-M4", clockMHz: 64, ...memory, firmware }),
  );
  return ["compile", path, "--board", board, "-o", join(folder, "out")];
}

it.each(Object.entries(CASES))("%s", async (code, build) => {
  const content = build();
  const path = join(folder, "model.onnx");
  await writeFile(path, content instanceof Uint8Array ? content : encodeModel(content));
  const { code: exit, out, err } = await hedge("--json", ...(await commandOf(code, path)));
  const { error } = JSON.parse(err);
  expect([EXIT_CODES.input, EXIT_CODES.check]).toContain(exit);
  const { problems } = out === "" ? { problems: [error] } : JSON.parse(out);
  expect(problems.map((problem: { code: string }) => problem.code)).toContain(code);
  expect(Object.keys(DIAGNOSTICS)).toContain(code);
});
