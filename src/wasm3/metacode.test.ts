/** The model of wasm3's compiler against wasm3 itself: the same number of words, whatever the code. */
import { load } from "@aspect/wasm3";
import binaryen from "binaryen";
import fc from "fast-check";
import { expect, it } from "vitest";
import { HOST_BUILD, MCU_BUILD } from "./code-pages.ts";
import { compileMetacode } from "./metacode.ts";
import { decodeWasm } from "./wasm-code.ts";

function expectSameCode(bytes: Uint8Array): void {
  const { words, pages } = compileMetacode(decodeWasm(bytes), HOST_BUILD);
  const instance = load(bytes, { imports: { hedge: { load_weights: () => undefined } } });
  const { metacodeBytes, codePageBytes } = instance;
  instance.free();
  expect([words * HOST_BUILD.wordBytes, pages * HOST_BUILD.pageBytes]).toEqual([metacodeBytes, codePageBytes]);
}

function assemble(functions: string): Uint8Array {
  const module = binaryen.parseText(
    `(module (import "hedge" "load_weights" (func $load (param i32 i32 i32))) (memory 1 1) (global $g (mut i64) (i64.const 0)) ${functions})`,
  );
  module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
  try {
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

it.each([
  ["constants that share slots, and more than there are slots", constants(200)],
  ["an if with an else and a result", "(if (result i32) (local.get $a) (then (i32.const 3)) (else (local.get $b)))"],
  [
    "a local that is set while its old value is needed",
    "(i32.add (local.get $a) (block (result i32) (local.set $a (i32.const 9)) (local.get $a)))",
  ],
  ["a select of each kind", "(select (i32.popcnt (local.get $a)) (local.get $b) (i32.eqz (local.get $b)))"],
  [
    "branches out of blocks, with a value and without",
    `(block $out (result i32)
       (drop (br_if $out (i32.const 5) (local.get $a)))
       (block $plain (br_if $plain (local.get $b)) (return (i32.const 7)))
       (i32.const 8))`,
  ],
  [
    "loops in loops",
    `(loop $outer (loop $inner
         (local.set $x (i64.add (local.get $x) (i64.load offset=8 (local.get $a))))
         (br_if $inner (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))
       (br_if $outer (i32.ne (local.get $b) (local.get $a))))
     (i32.wrap_i64 (local.get $x))`,
  ],
  [
    "calls, copies, fills, globals and code behind a return",
    `(call $load (local.get $a) (i32.const 0) (i32.mul (local.get $b) (i32.const 4)))
     (memory.copy (local.get $a) (i32.const 64) (i32.const 32))
     (memory.fill (i32.const 0) (local.get $b) (i32.shl (local.get $a) (i32.const 2)))
     (global.set $g (i64.xor (global.get $g) (i64.const -1)))
     (if (local.get $a) (then (return (i32.const -1))))
     (i32.const -1)`,
  ],
])("%s", (_, body) => {
  expectSameCode(assemble(`(func (export "f") (param $a i32) (param $b i32) (result i32) (local $x i64) ${body})`));
});

it("the value stack: what a call needs with what it calls, and not a slot less", () => {
  const bytes = assemble(`
    (func $leaf (param $n i64) (result i64) (local $a i64) (local $b i64)
      (local.set $a (i64.mul (local.get $n) (local.get $n)))
      (local.set $b (i64.add (local.get $a) (i64.const 3)))
      (i64.xor (local.get $a) (local.get $b)))
    (func $middle (param $n i64) (result i64) (local $kept i64)
      (local.set $kept (call $leaf (local.get $n)))
      (i64.add (local.get $kept) (call $leaf (i64.add (local.get $kept) (i64.const 9)))))
    (func (export "f") (result i32)
      (i32.add (i32.const 5) (i32.wrap_i64 (i64.sub (call $middle (i64.const 4)) (call $leaf (i64.const 2))))))`);
  const { stackBytes } = compileMetacode(decodeWasm(bytes), HOST_BUILD);
  const run = (limit: number): unknown => {
    const instance = load(bytes, { stackBytes: limit, imports: { hedge: { load_weights: () => undefined } } });
    try {
      return instance.call("f");
    } finally {
      instance.free();
    }
  };
  expect(run(stackBytes)).toBe(run(65536));
  expect(() => run(stackBytes - 4)).toThrow(expect.objectContaining({ code: "trap-stack-overflow" }));
});

it("refuses what firmware's wasm3 would: more values than it gives a function", () => {
  const locals = (count: number) => assemble(`(func (export "f") ${"(local i64) ".repeat(count)})`);
  expect(compileMetacode(decodeWasm(locals(127)), MCU_BUILD).words).toBeGreaterThan(0);
  expect(() => compileMetacode(decodeWasm(locals(129)), MCU_BUILD)).toThrow("more than the 128 values");
  expectSameCode(locals(129));
});

function constants(count: number): string {
  const add = (i: number): string => `(local.set $x (i64.add (local.get $x) (i64.const ${(i * 7919) % 97})))`;
  return `${Array.from({ length: count }, (_, i) => add(i)).join("\n")} (i32.const 1)`;
}

/** Expressions of i32 and i64, nested at random. */
const { i32 } = fc.letrec<{ i32: string; i64: string }>((tie) => ({
  i32: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom("(local.get $a)", "(local.get $b)"),
    fc.integer({ min: -4, max: 4 }).map((n) => `(i32.const ${n})`),
    fc
      .tuple(fc.constantFrom("add", "sub", "xor", "shr_s", "lt_u", "ge_s"), tie("i32"), tie("i32"))
      .map(([op, x, y]) => `(i32.${op} ${x} ${y})`),
    fc.tuple(tie("i32"), tie("i32"), tie("i32")).map((xs) => `(select ${xs.join(" ")})`),
    fc.tuple(tie("i32"), tie("i32"), tie("i32")).map(([c, x, y]) => `(if (result i32) ${c} (then ${x}) (else ${y}))`),
    tie("i32").map((x) => `(local.tee $a ${x})`),
    tie("i64").map((x) => `(i32.wrap_i64 ${x})`),
    tie("i32").map((x) => `(i32.load8_u offset=3 ${x})`),
  ),
  i64: fc.oneof(
    { maxDepth: 6 },
    fc.constant("(local.get $x)"),
    fc.bigInt({ min: -3n, max: 3n }).map((n) => `(i64.const ${n})`),
    fc
      .tuple(fc.constantFrom("add", "mul", "sub", "or"), tie("i64"), tie("i64"))
      .map(([op, x, y]) => `(i64.${op} ${x} ${y})`),
    tie("i64").map((x) => `(i64.popcnt ${x})`),
    tie("i64").map((x) => `(local.tee $x ${x})`),
    tie("i32").map((x) => `(i64.extend_i32_u ${x})`),
    tie("i32").map((x) => `(i64.load ${x})`),
  ),
}));

it("random expressions", () => {
  fc.assert(
    fc.property(fc.array(i32, { minLength: 1, maxLength: 8 }), (values) => {
      const body = values.map((value) => `(local.set $b ${value})`).join("\n");
      expectSameCode(
        assemble(
          `(func (export "f") (param $a i32) (param $b i32) (result i32) (local $x i64) ${body} (local.get $b))`,
        ),
      );
    }),
    { numRuns: 300 },
  );
});
