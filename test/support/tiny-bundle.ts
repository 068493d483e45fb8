/**
 * A model small enough to check by hand that honours the whole interface of edge.wasm: 2x2 pixels, three classes, a
 * payload of one bit per pixel. For tests of what surrounds the compiler.
 */
import binaryen from "binaryen";
import { type Bundle, createBundle } from "../../src/bundle/bundle.ts";
import type { ManifestDraft } from "../../src/bundle/manifest.ts";
import type { EdgeResult } from "../../src/engine/engine.ts";

const LAYOUT = { input: 0, threshold: 8, result: 16, payload: 40, scratch: 48, memoryBytes: 64 };
/** What the model adds to its first three pixels to get its logits. */
export const TINY_WEIGHTS = Int8Array.of(5, -3, 1);

const byte = (offset: number) => `(i32.load8_s (i32.const ${offset}))`;
const logit = (i: number) => `(i32.add ${byte(LAYOUT.input + i)} ${byte(LAYOUT.scratch + i)})`;
const store = (offset: number, value: string) => `(i32.store (i32.const ${offset}) ${value})`;

/**
 * Step 0 loads the weights, step 1 writes the result row (label: the largest logit; entropy: the fourth pixel's
 * magnitude times 2^9), step 2 packs the signs of the pixels. Edge-only, step 1 ends every sample, with an entropy of 0.
 */
const tinyWat = (edgeOnly: boolean) => `(module
  (import "hedge" "load_weights" (func $load_weights (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (func $abs (param i32) (result i32)
    (select (local.get 0) (i32.sub (i32.const 0) (local.get 0)) (i32.ge_s (local.get 0) (i32.const 0))))
  (func (export "step") (param $index i32) (result i32) (local $best i32) (local $label i32) (local $entropy i32)
    (if (i32.eqz (local.get $index)) (then
      (call $load_weights (i32.const ${LAYOUT.scratch}) (i32.const 0) (i32.const 3))
      (return (i32.const 0))))
    (if (i32.eq (local.get $index) (i32.const 1)) (then
      ${[0, 1, 2].map((i) => store(LAYOUT.result + 12 + 4 * i, logit(i))).join("\n")}
      (local.set $best ${logit(0)})
      ${[1, 2]
        .map(
          (i) => `(if (i32.gt_s ${logit(i)} (local.get $best)) (then
        (local.set $best ${logit(i)}) (local.set $label (i32.const ${i}))))`,
        )
        .join("\n")}
      (local.set $entropy ${edgeOnly ? "(i32.const 0)" : `(i32.shl (call $abs ${byte(LAYOUT.input + 3)}) (i32.const 9))`})
      ${store(LAYOUT.result, "(local.get $label)")}
      ${store(LAYOUT.result + 8, "(local.get $entropy)")}
      ${store(LAYOUT.result + 4, edgeOnly ? "(i32.const 1)" : `(i32.lt_u (local.get $entropy) (i32.load (i32.const ${LAYOUT.threshold})))`)}
      (return (i32.load (i32.const ${LAYOUT.result + 4})))))
    ${[0, 1, 2, 3]
      .map((i) => `(i32.store8 (i32.const ${LAYOUT.payload + i}) (i32.ge_s ${byte(LAYOUT.input + i)} (i32.const 0)))`)
      .join("\n")}
    (i32.const 1)))`;

const emitted = new Map<string, Uint8Array>();

/** The binary of a module in text format. */
export function assemble(text: string): Uint8Array {
  const known = emitted.get(text);
  if (known) return known;
  const module = binaryen.parseText(text);
  const bytes = module.emitBinary();
  module.dispose();
  emitted.set(text, bytes);
  return bytes;
}

export function tinyWasm({ edgeOnly = false } = {}): Uint8Array {
  return assemble(tinyWat(edgeOnly));
}

/** The manifest of the tiny model; `edgeOnly` has the logits as its output, and neither exit nor cloud. */
export function tinyDraft({ edgeOnly = false } = {}): ManifestDraft {
  return {
    name: "tiny",
    compiler: "test",
    source: { file: "tiny.onnx", sha256: "0".repeat(64) },
    input: { name: "image", shape: [1, 2, 2], pixelZero: 128, pixelStep: 2 ** -7 },
    classes: ["left", "right", "middle"],
    ...(edgeOnly
      ? { output: { tensor: "logits", shape: [3], step: 0.125, zero: 0, labels: true } }
      : {
          exit: { name: "exit", tensor: "exit_logits", rule: "entropy", threshold: 0.5, logitStep: 0.125 },
          payload: { tensor: "cut", shape: [1, 2, 2], bits: 1, bytes: 4, scale: 2, offset: -0.5 },
          cloud: { input: "cut", output: "logits" },
        }),
    module: {
      memoryBytes: LAYOUT.memoryBytes,
      stackBytes: 1024,
      input: LAYOUT.input,
      inputBytes: 4,
      threshold: LAYOUT.threshold,
      result: LAYOUT.result,
      payload: edgeOnly ? 0 : LAYOUT.payload,
      steps: 3,
    },
    layers: [],
  };
}

export interface TinyOptions {
  readonly edgeOnly?: boolean;
  /** The cloud half; bytes that are no model where absent. */
  readonly cloudOnnx?: Uint8Array;
  readonly edgeWasm?: Uint8Array;
}

export function tinyBundle({
  edgeOnly = false,
  cloudOnnx,
  edgeWasm = tinyWasm({ edgeOnly }),
}: TinyOptions = {}): Promise<Bundle> {
  return createBundle(tinyDraft({ edgeOnly }), {
    edgeWasm,
    weights: Uint8Array.from(TINY_WEIGHTS),
    cloudOnnx: edgeOnly ? undefined : (cloudOnnx ?? Uint8Array.of(1, 2, 3)),
  });
}

/** What the tiny model must answer to four pixels at a threshold in nats. */
export function tinyAnswer(input: Int8Array, threshold = 0.5): EdgeResult {
  const logits = Int32Array.from(TINY_WEIGHTS, (weight, i) => input[i]! + weight);
  const label = logits.indexOf(Math.max(...logits));
  const entropy = Math.abs(input[3]!) * 512;
  const exited = entropy < threshold * 65536;
  const payload = exited ? undefined : Uint8Array.from(input, (pixel) => (pixel >= 0 ? 1 : 0));
  return { label, exited, entropy, logits, payload };
}
