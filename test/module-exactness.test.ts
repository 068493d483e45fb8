/** The emitted module against the reference kernels, bit for bit, over odd shapes; V8 and wasm3 alike. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Compilation, compileModel } from "../src/bundle/compile.ts";
import { integerEntropy } from "../src/graph/entropy.ts";
import { runGraph } from "../src/graph/run.ts";
import { encodeModel } from "../src/import/onnx/codec.ts";
import type { PayloadRegion } from "../src/plan/plan.ts";
import { type BinaryLayer, type HybridShape, hybridModel } from "./support/hybrid-model.ts";
import { randomImages } from "./support/random.ts";
import { isPacked, runSteps } from "./support/run-module.ts";

/** What the reference says the module's memory must hold, per layer. */
function expectedBytes({ graph, imported, plan }: Compilation, image: Int8Array): Map<string, Uint8Array> {
  // The imported graph still has its batch norms: this checks the passes as well.
  const values = runGraph(
    imported,
    Float64Array.from(image, (n) => n / 64),
  );
  const integers = (name: string): Float64Array =>
    values.get(name)!.map((v) => v / graph.tensors.get(name)!.grid!.step);
  const expected = new Map<string, Uint8Array>();
  for (const layer of plan.layers) {
    if (layer.kind === "dense-exit") {
      const logits = Int32Array.from(integers(layer.name));
      const label = logits.indexOf(Math.max(...logits));
      const words = Int32Array.of(label, 0, integerEntropy(logits, layer.logitExponent), ...logits);
      expected.set(layer.name, new Uint8Array(words.buffer));
    } else if (!isPacked(layer)) expected.set(layer.name, channelsLast(integers(layer.name), layer.outputShape));
  }
  expected.set("payload", packLevels(values.get("payload")!, plan.payload!));
  return expected;
}

/** Maps have their channels innermost; a vector is one pixel. */
function channelsLast(values: Float64Array, [channels]: readonly number[]): Uint8Array {
  const pixels = values.length / channels!;
  return Uint8Array.from(
    { length: values.length },
    (_, i) => values[(i % channels!) * pixels + Math.floor(i / channels!)]!,
  );
}

function packLevels(values: Float64Array, payload: PayloadRegion): Uint8Array {
  const [channels, height, width] = payload.shape as [number, number, number];
  const pixels = height * width;
  const rowBytes = Math.ceil((channels * payload.bits) / 8);
  const out = new Uint8Array(pixels * rowBytes);
  for (let p = 0; p < pixels; p++)
    for (let c = 0; c < channels; c++) {
      const level = values[c * pixels + p]! / payload.scale - payload.offset;
      const bit = c * payload.bits;
      out[p * rowBytes + (bit >> 3)]! |= level << (bit & 7);
    }
  return out;
}

async function checkShape(shape: HybridShape, seed: number): Promise<void> {
  const model = encodeModel(hybridModel(shape, { seed }));
  const [image] = randomImages(1, shape.input, seed + 1) as [Int8Array];
  for (const [kernels, engine] of [
    ["portable", "v8"],
    ["portable", "wasm3"],
    ["native", "wasm3"],
  ] as const) {
    const compilation = await compileModel(model, "random.onnx", { kernels });
    if (kernels === "native")
      expect(compilation.plan.layers.filter(({ kind }) => kind !== "native").map(({ kind }) => kind)).not.toContain(
        "binary-conv",
      );
    const actual = runSteps(compilation, engine, image);
    for (const [name, bytes] of expectedBytes(compilation, image))
      expect(actual.get(name), `${name}, ${kernels} on ${engine}`).toEqual(bytes);
  }
}

const ODD = [1, 3, 7, 8, 9, 16, 31, 32, 33, 63, 64, 65];

describe("the emitted module equals the reference", () => {
  const base: HybridShape = {
    input: [3, 7, 5],
    first: { outputs: 16, kernel: 3, stride: 1, padded: true },
    layers: [],
    exitWindow: 2,
    classes: 4,
    payloadBits: 2,
  };
  const conv3: BinaryLayer = { outputs: 16, kernel: [3, 3], stride: 1, padValue: -1, shortcut: "identity" };

  it.each(ODD)("with %i channels in a 3x3 convolution with an identity shortcut", (channels) =>
    checkShape(
      { ...base, first: { ...base.first, outputs: channels }, layers: [{ ...conv3, outputs: channels }] },
      channels,
    ),
  );

  it.each(ODD.map((n, i) => [n, ODD[(i * 5 + 3) % ODD.length]!] as const))(
    "from %i to %i channels without a shortcut",
    (inputs, outputs) =>
      checkShape(
        {
          ...base,
          first: { ...base.first, outputs: inputs },
          layers: [
            { ...conv3, outputs, shortcut: "none", padValue: 1 },
            { ...conv3, outputs, shortcut: "identity", kernel: [1, 1], padValue: undefined },
          ],
          payloadBits: 1,
        },
        inputs * 100 + outputs,
      ),
  );

  it.each([
    [16, 32],
    [5, 5],
    [33, 64],
  ])("downsampling from %i to %i channels with a pooled shortcut", (inputs, outputs) =>
    checkShape(
      {
        ...base,
        input: [3, 8, 12],
        first: { ...base.first, outputs: inputs },
        layers: [
          { ...conv3, outputs, stride: 2, shortcut: "pooled" },
          { ...conv3, outputs },
        ],
        payloadBits: 4,
      },
      inputs + outputs,
    ),
  );

  it("with as many words per pixel as a filter may have", () =>
    checkShape(
      {
        ...base,
        input: [1, 2, 2],
        first: { outputs: 560, kernel: 1, stride: 1, padded: false },
        layers: [{ ...conv3, outputs: 4, shortcut: "none" }],
      },
      1,
    ));

  it("over random shapes", async () => {
    const layer = fc.record({
      kernel: fc.constantFrom<[number, number]>([1, 1], [3, 3], [1, 3], [3, 1], [5, 5]),
      padValue: fc.constantFrom<1 | -1>(1, -1),
      shortcut: fc.constantFrom<"identity" | "none">("identity", "none"),
      outputs: fc.constantFrom(...ODD),
    });
    const shapes = fc.record({
      channels: fc.constantFrom(1, 2, 3, 4),
      height: fc.integer({ min: 4, max: 9 }),
      width: fc.integer({ min: 4, max: 9 }),
      outputs: fc.constantFrom(...ODD),
      kernel: fc.constantFrom(1, 3, 5),
      layers: fc.array(layer, { maxLength: 3 }),
      classes: fc.integer({ min: 2, max: 11 }),
      payloadBits: fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8),
      seed: fc.nat(1e6),
    });
    await fc.assert(
      fc.asyncProperty(
        shapes,
        async ({ channels, height, width, outputs, kernel, layers, classes, payloadBits, seed }) => {
          let current = outputs;
          const chain = layers.map((choice): BinaryLayer => {
            if (choice.shortcut === "none") current = choice.outputs;
            return { ...choice, stride: 1, outputs: current };
          });
          await checkShape(
            {
              input: [channels, height, width],
              first: { outputs, kernel, stride: 1, padded: true },
              layers: chain,
              exitWindow: 2,
              classes,
              payloadBits,
            },
            seed,
          );
        },
      ),
      { numRuns: 25, seed: 7 },
    );
  });
});
