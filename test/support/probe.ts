/** Modules that behave as a test of the firmware wants: firmware-wasm/test/rig.h says how, and lays out their memory. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assemble } from "./tiny-bundle.ts";

/** Its input: behaviour (2: traps, 3: never ends), label, entropy in 2^-7 nats, one more byte. Its payload is its input. */
const PROBE = `(module
  (import "hedge" "load_weights" (func $load_weights (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (func (export "step") (param $index i32) (result i32) (local $behaviour i32) (local $entropy i32)
    (local.set $behaviour (i32.load8_u (i32.const 0)))
    (if (i32.eqz (local.get $index)) (then
      (call $load_weights (i32.const 48) (i32.const 0) (i32.const 3))
      (return (i32.const 0))))
    (if (i32.eq (local.get $behaviour) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (local.get $behaviour) (i32.const 3)) (then (return (i32.const 0))))
    (if (i32.eq (local.get $index) (i32.const 1)) (then
      (local.set $entropy (i32.shl (i32.load8_u (i32.const 2)) (i32.const 9)))
      (i32.store (i32.const 16) (i32.load8_u (i32.const 1)))
      (i32.store (i32.const 20) (i32.lt_s (local.get $entropy) (i32.load (i32.const 8))))
      (i32.store (i32.const 24) (local.get $entropy))
      (i32.store (i32.const 28) (i32.load8_u (i32.const 48)))
      (i32.store (i32.const 32) (i32.const 123))
      (return (i32.load (i32.const 20)))))
    (i32.store (i32.const 40) (i32.load (i32.const 0)))
    (i32.const 1)))`;

/** Traps whatever it is given. */
const BROKEN = `(module (memory (export "memory") 1 1) (func (export "step") (param i32) (result i32) (unreachable)))`;

/** Valid, but not what a device can run: its import is nobody's. */
const UNLINKED = `(module
  (import "hedge" "no_such_thing" (func $missing (param i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "step") (param i32) (result i32) (call $missing (local.get 0))))`;

/** Writes the modules into a folder. @returns their paths: the probe, one that traps, one that does not load */
export function probeModules(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  return Object.entries({ PROBE, BROKEN, UNLINKED }).map(([name, text]) => {
    const path = join(folder, `${name.toLowerCase()}.wasm`);
    writeFileSync(path, assemble(text));
    return path;
  });
}
