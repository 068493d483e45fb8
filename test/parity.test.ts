/**
 * The promise of the integer grid, on small random models: the model on onnxruntime, the reference kernels, V8 and wasm3 give the same
 * labels, logits, payload bytes and decisions, at every payload depth and at channel counts around the word sizes.
 */
import { describe, expect, it } from "vitest";
import { compileModel } from "../src/bundle/compile.ts";
import { type Evaluation, evaluate } from "../src/explore/evaluate.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { OnnxModel } from "../src/import/onnx/types.ts";
import { type HybridShape, hybridModel, smallShape } from "./support/hybrid-model.ts";
import { randomImages } from "./support/random.ts";

const FILE = "tiny.onnx";
const COUNT = 6;
const engines = ["v8", "wasm3"] as const;

async function parity(shape: HybridShape, seed: number, source?: OnnxModel): Promise<Evaluation> {
  const model = hybridModel(shape, { seed });
  const { bundle } = await compileModel(encodeModel(model), FILE);
  const images = randomImages(COUNT, shape.input, seed);
  return evaluate({
    bundle,
    source: { model: source ?? model, file: FILE },
    images,
    labels: images.map((_, i) => i % 4),
    engines,
    referenceCount: 2,
    offloadCount: 0,
    threads: 1,
    report: () => undefined,
  });
}

const failing = ({ checks }: Evaluation) => checks.filter(({ holds }) => !holds);

/** Payload bits, channels of the first layers, image side. The payload has twice the channels. */
const CASES = [
  [1, 1, 8],
  [1, 31, 8],
  [1, 32, 8],
  [1, 65, 8],
  [2, 3, 24],
  [2, 16, 16],
  [2, 33, 8],
  [2, 63, 8],
  [2, 64, 8],
  [4, 5, 8],
  [4, 16, 8],
  [8, 1, 16],
  [8, 33, 8],
] as const;

describe("a compiled model is its model to the bit", () => {
  it.each(CASES)("with %s-bit payload, %s channels, %s pixels a side", async (bits, channels, side) => {
    const evaluation = await parity(smallShape({ bits, channels, side }), 100 * bits + channels);
    expect(failing(evaluation)).toEqual([]);
    // All that there is to hold was looked at, on every sample.
    expect(evaluation.edges.map(({ kind, samples, labels, logits }) => [kind, samples, labels, logits])).toEqual([
      ["reference", 2, 2, 2],
      ["v8", COUNT, COUNT, COUNT],
      ["wasm3", COUNT, COUNT, COUNT],
    ]);
    expect(evaluation.payloads).toEqual({ samples: COUNT, identical: COUNT });
    expect(evaluation.enginesIdentical).toEqual({ samples: COUNT, identical: COUNT });
    expect(evaluation.halves?.labels).toBe(COUNT);
    for (const { entropyError } of evaluation.edges) expect(entropyError).toBeLessThan(1e-3);
  });
});

describe("the parity checks", () => {
  const shape = smallShape();
  const seed = 9;

  it("fail for the module of another model", async () => {
    const evaluation = await parity(shape, seed, hybridModel(shape, { seed: 10 }));
    const names = failing(evaluation).map(({ name }) => name);
    expect(names).toContain("v8 = grid model: logits");
    expect(names).toContain("wasm3 = grid model: logits");
    expect(names).toContain("payload bytes of every sample");
    expect(names).not.toContain("engines identical to the bit");
  });

  it("notice one weight of the first layer", async () => {
    const other = hybridModel(shape, { seed });
    const weights = other.graph.initializer.find(({ name }) => name === "first.weight")!;
    const values = new Float32Array(weights.rawData!.buffer);
    values[4] = values[4]! + 32 / 128;
    expect(failing(await parity(shape, seed, other)).map(({ name }) => name)).toContain(
      "payload bytes of every sample",
    );
  });

  it("notice another cloud part", async () => {
    const other = hybridModel(shape, { seed });
    const bias = other.graph.initializer.find(({ name }) => name === "fc.bias")!;
    new Float32Array(bias.rawData!.buffer).set([1000], 2);
    const names = failing(await parity(shape, seed, other)).map(({ name }) => name);
    expect(names).toEqual(["edge + cloud = whole model: labels"]);
  });
});
