import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { wat } from "./build.ts";

const script = fileURLToPath(new URL("fuzz.js", import.meta.url));

/** Modules without loops that touch what wasm3's compiler does: blocks, branches, calls, registers, slots, constants. */
const seeds = [
  `(module (memory 1) (global $g (mut i32) (i32.const 1))
    (func $a (export "a") (param i32 i64) (result i32) (local i32 f64)
      (block $out (result i32)
        (br_if $out (i32.const 3) (i32.eqz (local.get 0)))
        (drop)
        (local.set 3 (f64.convert_i64_s (local.get 1)))
        (if (result i32) (f64.gt (local.get 3) (f64.const 2))
          (then (i32.load offset=4 (i32.and (local.get 0) (i32.const 0xffff))))
          (else (i32.wrap_i64 (i64.popcnt (local.get 1)))))))
    (func (export "b") (param i32) (result i64)
      (block $0 (block $1 (block $2 (br_table $0 $1 $2 (local.get 0))) (return (i64.const 1))) (return (i64.const 2)))
      (i64.extend_i32_s (call $a (local.get 0) (i64.const 77)))))`,
  `(module (import "h" "f" (func $f (param i32) (result i32))) (memory 1) (table 3 funcref) (elem (i32.const 0) $t $u $f)
    (type $t (func (param i32) (result i32)))
    (func $t (type $t) (i32.mul (local.get 0) (i32.const 3)))
    (func $u (type $t) (select (local.get 0) (i32.const 5) (i32.ctz (local.get 0))))
    (func (export "c") (param i32) (result i32)
      (i32.add (call_indirect (type $t) (local.get 0) (i32.const 1)) (call $f (call $t (local.get 0)))))
    (func (export "d") (param i32 i32) (result i32)
      (memory.copy (local.get 0) (local.get 1) (i32.const 8))
      (memory.fill (local.get 0) (i32.const 1) (i32.const 4))
      (i32.add (memory.size) (memory.grow (i32.const 0)))))`,
  `(module (memory 1)
    (func $m (param i64 f32) (result f32 i64 i32) (local.get 1) (local.get 0) (i32.const 9))
    (func (export "e") (param i32 i64 f32) (result f64)
      (call $m (local.get 1) (f32.add (local.get 2) (f32.const 1.5)))
      (drop) (drop) (f64.promote_f32)
      (f64.add (f64.copysign (f64.const 3) (f64.convert_i32_u (i32.rotl (local.get 0) (i32.const 7))))))
    (func (export "f") (param i32 i64) (result i64)
      (i64.store8 offset=9 (i32.const 1) (local.get 1))
      (i64.xor (i64.load16_u (i32.const 8)) (i64.shl (i64.extend8_s (local.get 1)) (i64.extend_i32_u (local.get 0))))))`,
];

// Fixed seeds: a run is the same everywhere. A crash would show as a signal.
test.each([1, 20_231_121])("altered modules never crash the process: seed %i", async (seed) => {
  const hex = seeds.map((text) => Buffer.from(wat(text)).toString("hex"));
  const { stdout } = await promisify(execFile)(process.execPath, [script, String(seed), "60000", ...hex]);
  const { ran, trapped, refused } = JSON.parse(stdout) as Record<string, number>;
  expect(ran).toBeGreaterThan(1000);
  expect(trapped).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(10);
});
