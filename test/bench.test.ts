/** The measurement that `make bench` prints, whole, of a small model. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bench } from "../src/explore/bench.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import { buildCli } from "./support/built.ts";
import { hybridModel, smallShape } from "./support/hybrid-model.ts";
import { randomImages } from "./support/random.ts";

const COUNT = 24;
const OFFLOADED = 10;
let parent: string;
beforeAll(async () => {
  buildCli();
  parent = await mkdtemp(join(tmpdir(), "hedge-bench-"));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

it("prints each figure once, and they agree with the bundle", async () => {
  const shape = smallShape();
  const model = join(parent, "model.onnx");
  const data = join(parent, "images.bin");
  await writeFile(model, encodeModel(hybridModel(shape)));
  const images = randomImages(COUNT, shape.input, 3);
  await writeFile(data, Buffer.concat(images.map((image, i) => Buffer.of(i % 4, ...image.map((x) => x ^ 0x80)))));

  const out = join(parent, "out");
  const lines: string[] = [];
  const failed = await bench({
    model,
    out,
    hedge: buildCli(),
    evaluated: data,
    offloaded: data,
    offloadCount: OFFLOADED,
    referenceCount: 4,
    print: (line) => lines.push(line),
    report: () => {},
  });
  expect(failed).toEqual([]);

  const figures = lines.filter((line) => line.startsWith("figure ")).map((line) => line.split(" "));
  for (const words of figures) expect(words).toHaveLength(4);
  const values = new Map(figures.map(([, name, value]) => [name!, Number(value)]));
  expect(values.size).toBe(figures.length);
  expect([...values.values()].every(Number.isFinite)).toBe(true);
  const manifest = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
  const perLayer = manifest.layers.filter(
    (layer: { macs: number; steps: number }) => layer.macs > 0 && layer.steps > 0,
  );
  expect([...values.keys()].sort()).toEqual(
    [
      "compile.seconds",
      "eval.accuracy.float",
      "eval.accuracy.system",
      "eval.agreement",
      "eval.coverage",
      "eval.decisions",
      "eval.engines_identical",
      "module.bytes",
      "offload.lost",
      "offload.samples",
      "wasm3.ir_per_mac",
      "wasm3.ram.bytes",
      "wasm3.v8_time_ratio",
      "weights.bytes",
      ...perLayer.map(({ name }: { name: string }) => `wasm3.ir_per_mac.${name}`),
    ].sort(),
  );
  expect(Object.fromEntries(values)).toMatchObject({
    "eval.agreement": 100,
    "eval.engines_identical": 1,
    "module.bytes": (await stat(join(out, "edge.wasm"))).size,
    "weights.bytes": (await stat(join(out, "weights.bin"))).size,
    "offload.samples": OFFLOADED,
    "offload.lost": 0,
  });
  const { memoryBytes, stackBytes } = manifest.module;
  expect(values.get("wasm3.ram.bytes")).toBeGreaterThan(memoryBytes + stackBytes);
});
