/**
 * Models made to hang or exhaust the compiler: each is refused by name. They run in a process of their own with a small heap, whose
 * largest resident size is measured; the time limit only ends what hangs.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT_CODES } from "../../src/errors.ts";
import { attribute, floats, int64s, model, node, value } from "../../src/import/onnx/build.ts";
import { encodeModel } from "../../src/import/onnx/codec.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/import/onnx/types.ts";
import { buildCli } from "../support/built.ts";
import { ModelEditor } from "../support/edit-model.ts";
import { hybridModel } from "../support/hybrid-model.ts";
import { SMALL } from "../support/refusal.ts";

const HEAP_MEGABYTES = 512;
/** Heap, buffers, onnxruntime's and binaryen's code; a compilation of the small model takes a fifth of it. */
const RESIDENT_MEGABYTES = 1024;
const MANY = 100_000;
/** Writes the largest resident size to stderr, in KiB. */
const TELL_MEMORY = `import { writeSync } from "node:fs";
process.on("exit", () => writeSync(2, "\\nresident " + process.resourceUsage().maxRSS + "\\n"));`;

let folder: string;
let main: string;
beforeAll(async () => {
  main = buildCli();
  folder = await mkdtemp(join(tmpdir(), "hedge-hostile-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Measured {
  readonly code: number | null;
  readonly err: string;
  readonly residentMegabytes: number;
}

function compile(path: string): Promise<Measured> {
  const preload = `data:text/javascript,${encodeURIComponent(TELL_MEMORY)}`;
  const args = [`--max-old-space-size=${HEAP_MEGABYTES}`, "--import", preload, main];
  const child = spawn(process.execPath, [...args, "compile", path, "-o", join(folder, "out")], { timeout: 120_000 });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  return new Promise((resolve) =>
    child.on("close", (code) => {
      const [, err = text, kibibytes = "Infinity"] = /^(.*)\nresident (\d+)\n$/s.exec(text) ?? [];
      resolve({ code, err, residentMegabytes: Number(kibibytes) / 1024 });
    }),
  );
}

async function refusal(bytes: Uint8Array): Promise<string> {
  const path = join(folder, "hostile.onnx");
  await writeFile(path, bytes);
  const { code, err, residentMegabytes } = await compile(path);
  expect(code, err.slice(0, 2000)).toBe(EXIT_CODES.input);
  expect(err).toContain(path);
  expect(err.length).toBeLessThan(20_000);
  expect(residentMegabytes).toBeLessThan(RESIDENT_MEGABYTES);
  return err;
}

/** The small model after a change. */
function changed(change: (edit: ModelEditor) => unknown): OnnxModel {
  const edit = new ModelEditor(hybridModel(SMALL));
  change(edit);
  return edit.model;
}

/** `count` nodes one behind another, in place of the exit's ReLU. */
function chain(edit: ModelEditor, count: number, link: (input: string, output: string) => OnnxNode): void {
  const relu = edit.node("exit.relu");
  let last = relu.input[0]!;
  for (let i = 0; i < count; i++) {
    edit.model.graph.node.push(link(last, `link.${i}`));
    last = `link.${i}`;
  }
  relu.input[0] = last;
}

/** A model without metadata: x -> nodes -> y. */
const bare = (nodes: readonly OnnxNode[], initializers: readonly OnnxTensor[], dims: readonly number[] = [1, 4]) =>
  model({ nodes, initializers, inputs: [value("x", dims)], outputs: [value("y", [1, 4])] });

it.each<[string, () => OnnxModel, RegExp]>([
  [
    "100,000 nodes in a row",
    () => changed((e) => chain(e, MANY, (a, b) => node("Relu", [a], [b]))),
    /error H209: .* nodes, more than the 4096/,
  ],
  [
    "100,000 nodes in a circle",
    () =>
      changed((e) => {
        chain(e, MANY, (a, b) => node("Relu", [a], [b]));
        e.node("link.0").input[0] = `link.${MANY - 1}`;
      }),
    /error H20[79]: /,
  ],
  [
    "4000 nodes in a circle",
    () =>
      changed((e) => {
        chain(e, 4000, (a, b) => node("Relu", [a], [b]));
        e.node("link.0").input[0] = "link.3999";
      }),
    /error H207: .* depends on itself/,
  ],
  [
    "3900 element-wise nodes in a row",
    () => changed((e) => chain(e, 3900, (a, b) => node("Relu", [a], [b]))),
    /error H209: .* stands behind more than 256 element-wise nodes/,
  ],
  [
    "3900 doublings in a row",
    () => changed((e) => chain(e, 3900, (a, b) => node("Add", [a, a], [b]))),
    /error H303: .*integers reach/,
  ],
  [
    "4000 nodes that do not compile",
    () => changed((e) => chain(e, 4000, (a, b) => node("Erf", [a], [b]))),
    /4000 nodes do not compile/,
  ],
  [
    "100,000 outputs of one node",
    () => changed((e) => e.node("exit.relu").output.push(...Array.from({ length: MANY }, (_, i) => `more.${i}`))),
    /"Relu:exit\.relu": it has 100001 outputs/,
  ],
  [
    "100,000 inputs of one node",
    () => changed((e) => e.node("exit.relu").input.push(...new Array<string>(MANY).fill("stream.0"))),
    /"Relu:exit\.relu": it has 100001 inputs/,
  ],
  [
    "an input of 2^40 pixels",
    () => changed((e) => e.model.graph.input.splice(0, 1, value("image", ["batch", 3, 2 ** 20, 2 ** 20]))),
    /error H109: .*input "image"/,
  ],
  [
    "a weight that says that it is 2^62 values",
    () =>
      changed((e) => {
        e.model.graph.initializer.find(({ name }) => name === "first.weight")!.dims = [2 ** 31, 2 ** 31];
      }),
    /error H104: .*"first\.weight".* impossible shape \[2147483648,2147483648\]/,
  ],
  [
    "a shape whose product is no number",
    () =>
      changed((e) => {
        e.model.graph.initializer.find(({ name }) => name === "first.weight")!.dims = new Array(40).fill(2 ** 31);
      }),
    /error H104: .*"first\.weight".* impossible shape/,
  ],
  [
    "padding to 2^62 values",
    () =>
      changed((e) =>
        e.node("first.conv").attribute.splice(1, 1, attribute("pads", { ints: new Array(4).fill(2 ** 31) })),
      ),
    /error H2\d\d: .*"Conv:first\.conv"/s,
  ],
  [
    "a constant that is made of 10^10 values",
    () =>
      bare([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], [int64s("s", [100_000, 100_000])]),
    /ConstantOfShape "ConstantOfShape:c"/,
  ],
  [
    "a constant that is padded to 10^12 values",
    () =>
      bare(
        [node("Pad", ["w", "p"], ["c"]), node("Add", ["x", "c"], ["y"])],
        [floats("w", [1, 4], [1, 2, 3, 4]), int64s("p", [0, 0, 10 ** 6, 10 ** 6])],
      ),
    /Pad "Pad:c"/,
  ],
  [
    "a constant that broadcasts to 10^10 values",
    () =>
      bare(
        [node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
        [floats("a", [100_000, 1], new Float32Array(100_000)), floats("b", [1, 100_000], new Float32Array(100_000))],
      ),
    /Add "Add:c"/,
  ],
  [
    "a scale that is no number",
    () => changed((e) => e.constant("stream.0.scale", [], [Number.NaN])),
    /H204 .*"Quant:stream\.0": its scale NaN is not positive/,
  ],
  [
    "an infinite scale of weights",
    () => changed((e) => e.constant("first.weight_q.scale", [], [Number.POSITIVE_INFINITY])),
    /H204 .*its scale Infinity is not positive/,
  ],
  [
    "weights that are no numbers",
    () => changed((e) => e.constant("exit.bias", [4], [1, Number.NaN, 0, 0])),
    /"Gemm:exit_logits"/,
  ],
  [
    "a name of a megabyte",
    () =>
      changed((e) => {
        e.node("exit.relu").opType = "Odd";
        e.node("exit.relu").name = "n".repeat(1 << 20);
      }),
    /Odd/,
  ],
])("%s", async (_, build, message) => {
  expect(await refusal(encodeModel(build()))).toMatch(message);
});

it("3900 poolings of one pixel compile", async () => {
  const link = (a: string, b: string) => node("MaxPool", [a], [b], { kernel_shape: { ints: [1, 1] } });
  const path = join(folder, "pools.onnx");
  await writeFile(path, encodeModel(changed((e) => chain(e, 3900, link))));
  const { code, err, residentMegabytes } = await compile(path);
  expect(code, err.slice(0, 2000)).toBe(0);
  expect(residentMegabytes).toBeLessThan(RESIDENT_MEGABYTES);
});
