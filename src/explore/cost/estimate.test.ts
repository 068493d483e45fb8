/** The estimates against wasm3 on this host, counted by callgrind: instructions of each step, and every byte of its heap. */
import { expect, test } from "vitest";
import { compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import type { OnnxModel } from "../../import/onnx/types.ts";
import { MCU_BUILD, type Wasm3Build } from "../../wasm3/code-pages.ts";
import { compileMetacode } from "../../wasm3/metacode.ts";
import { decodeWasm } from "../../wasm3/wasm-code.ts";
import { hybridModel, smallShape } from "../../zoo/hybrid.ts";
import { randomFrom } from "../../zoo/random.ts";
import { zooModel } from "../../zoo/zoo.ts";
import { measureWasm3 } from "../wasm3-cost.ts";
import { estimateInstructions } from "./estimate.ts";
import { wasm3Heap } from "./heap.ts";

/** The counted program: firmware's limits, with words of this host. */
const COUNTED_BUILD: Wasm3Build = { ...MCU_BUILD, wordBytes: 8, constantSlots: 120 };
/** What is left over of a free block stays with the one that is taken from it, when it is too small to be a block. */
const SMALLEST_BLOCK = 32;

test.each<[string, OnnxModel]>([
  ["hybrid, 8 channels, 2-bit payload", hybridModel(smallShape())],
  ["hybrid, 24 channels, 8-bit payload", hybridModel(smallShape({ channels: 24, bits: 8, side: 16 }))],
  ["a perceptron of 2 bits", zooModel("mlp", { flavour: "qkeras", bits: { weights: 2, activations: 2 } })],
  ["separable convolutions of 8 bits", zooModel("mobilenet-v1-block", { flavour: "qdq" })],
])("%s", async (_, model) => {
  const { bundle } = await compileModel(encodeModel(model), "model.onnx");
  const random = randomFrom(1);
  const sample = Int8Array.from({ length: bundle.manifest.module.inputBytes }, () => 256 * random() - 128);
  const measured = await measureWasm3(bundle, sample, "mcu");

  const code = decodeWasm(bundle.edgeWasm);
  const metacode = compileMetacode(code, COUNTED_BUILD);
  expect(metacode.words * COUNTED_BUILD.wordBytes).toBe(measured.metacodeBytes);
  const heap = wasm3Heap(code, metacode, COUNTED_BUILD, bundle.manifest.module);
  expect(Math.abs(heap.total - measured.heapBytes)).toBeLessThan(SMALLEST_BLOCK);

  const estimated = estimateInstructions({ ...bundle, sample, module: bundle.manifest.module });
  expect(estimated).toHaveLength(measured.steps.length);
  for (const { step, instructions } of measured.steps) {
    const error = estimated[step]!.instructions.x86 / instructions - 1;
    expect(
      Math.abs(error),
      `step ${step}: ${instructions}, estimated ${estimated[step]!.instructions.x86}`,
    ).toBeLessThan(0.15);
  }
});
