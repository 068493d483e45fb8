/** The estimates against wasm3 on this host, counted by callgrind: instructions of each step, and every byte of its heap. */
import { expect, test } from "vitest";
import { type HybridShape, hybridModel, smallShape } from "../../../test/support/hybrid-model.ts";
import { randomImages } from "../../../test/support/random.ts";
import { compileModel } from "../../bundle/compile.ts";
import { encodeModel } from "../../import/onnx/codec.ts";
import { measureWasm3 } from "../wasm3-cost.ts";
import type { Wasm3Build } from "./code-pages.ts";
import { estimateInstructions } from "./estimate.ts";
import { wasm3Heap } from "./heap.ts";
import { compileMetacode } from "./metacode.ts";
import { decodeWasm } from "./wasm-code.ts";

/** The counted program: firmware's limits, with words of this host. */
const COUNTED_BUILD: Wasm3Build = { wordBytes: 8, pageBytes: 1024, constantSlots: 120 };
/** Blocks of the allocator may be larger than what was asked for. */
const ALLOCATOR_SLACK = 64;

test.each<[string, HybridShape]>([
  ["8 channels, 2-bit payload", smallShape()],
  ["24 channels, 8-bit payload", smallShape({ channels: 24, bits: 8, side: 16 })],
])("%s", async (_, shape) => {
  const { bundle } = await compileModel(encodeModel(hybridModel(shape)), "model.onnx");
  const sample = randomImages(1, shape.input, 1)[0]!;
  const measured = await measureWasm3(bundle, sample, "mcu");

  const code = decodeWasm(bundle.edgeWasm);
  const metacode = compileMetacode(code, COUNTED_BUILD);
  expect(metacode.words * COUNTED_BUILD.wordBytes).toBe(measured.metacodeBytes);
  const heap = wasm3Heap(code, metacode, COUNTED_BUILD, bundle.manifest.module);
  expect(Math.abs(heap.total - measured.heapBytes)).toBeLessThanOrEqual(ALLOCATOR_SLACK);

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
