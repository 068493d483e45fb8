/** The module that counts: its counts are those that one would count by hand; what cannot be counted is refused by name. */
import binaryen from "binaryen";
import { describe, expect, it } from "vitest";
import { decodeWasm, OP } from "../../wasm3/wasm-code.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import { estimateInstructions } from "./estimate.ts";
import { countSteps } from "./step-counts.ts";

function job(step: string, imported = ""): RunnerJob {
  const module = binaryen.parseText(
    `(module ${imported}
       (import "hedge" "load_weights" (func $load (param i32 i32 i32)))
       (memory (export "memory") 1 1)
       (func $twice (param $n i32) (result i32) (i32.shl (local.get $n) (i32.const 1)))
       (func (export "step") (param $index i32) (result i32) (local $i i32) (local $j i32) ${step}))`,
  );
  module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
  try {
    return {
      edgeWasm: module.emitBinary(),
      weights: Uint8Array.of(1, 2, 3, 4),
      sample: Int8Array.of(7),
      module: { memoryBytes: 64, stackBytes: 1024, input: 0, threshold: 8, result: 16, steps: 3 },
    };
  } finally {
    module.dispose();
  }
}

/** How often instructions of that opcode ran, by step. */
function timesOf(op: number, it: RunnerJob): number[] {
  const code = decodeWasm(it.edgeWasm);
  return countSteps(it, code).map(({ counts }) =>
    code.functions.reduce(
      (sum, { instructions }, f) =>
        sum + instructions.reduce((own, each, i) => own + (each.op === op ? counts[f]![i]! : 0), 0),
      0,
    ),
  );
}

const LOOPS = `
  (local.set $i (i32.const 3))
  (loop $outer
    (local.set $j (i32.const 5))
    (loop $inner
      (i32.store (i32.const 32) (call $twice (local.get $j)))
      (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
    (br_if $outer (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
  (i32.eq (local.get $index) (i32.const 1))`;
const STORE = 0x36;

describe("counts", () => {
  it("of loops in loops, calls and steps, up to the step that says it is done", () => {
    expect(timesOf(STORE, job(LOOPS))).toEqual([15, 15]);
    expect(timesOf(OP.call, job(LOOPS))).toEqual([15, 15]);
    expect(timesOf(OP.loop, job(LOOPS))).toEqual([4, 4]);
  });

  it("of branches: each side of an if, and what a branch skips", () => {
    const branches = `
      (if (local.get $index)
        (then (i32.store (i32.const 32) (i32.const 1)) (i32.store (i32.const 36) (i32.const 1)))
        (else (i32.store (i32.const 32) (i32.const 2))))
      (block $skip
        (br_if $skip (i32.load8_u (i32.const 0)))
        (i32.store (i32.const 40) (i32.const 1)))
      (i32.eq (local.get $index) (i32.const 2))`;
    expect(timesOf(STORE, job(branches))).toEqual([1, 2, 2]);
  });

  it("of bytes: copied, filled and loaded", () => {
    const moves = `
      (memory.copy (i32.const 16) (i32.const 0) (i32.const 11))
      (memory.fill (i32.const 40) (i32.const 1) (i32.add (local.get $index) (i32.const 5)))
      (call $load (i32.const 48) (i32.const 1) (i32.const 3))
      (i32.eq (local.get $index) (i32.const 1))`;
    const it = job(moves);
    const steps = countSteps(it, decodeWasm(it.edgeWasm));
    expect(steps.map(({ bytesMoved, loads }) => [bytesMoved, loads])).toEqual([
      [19, 1],
      [20, 1],
    ]);
  });
});

it.each([
  ["native kernels", "(i32.const 1)", '(import "native" "conv" (func $conv))', "kernels of its host"],
  ["floats", "(drop (f32.const 1)) (i32.const 1)", "", "not modelled"],
  [
    "weights that are not there",
    "(call $load (i32.const 0) (i32.const 2) (i32.const 3)) (i32.const 1)",
    "",
    "3 bytes of weights at 2 of 4",
  ],
  ["a trap", "(i32.load (i32.const -4))", "", "memory access out of bounds"],
])("%s: refused with the model's name", (_, step, imported, sentence) => {
  const message = expect.stringMatching(new RegExp(`edge.wasm of my-model is not known: .*${sentence}`));
  expect(() => estimateInstructions(job(step, imported), "my-model")).toThrow(
    expect.objectContaining({ kind: "input", message }),
  );
});
