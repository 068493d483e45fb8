import { describe, expect, test } from "vitest";
import { load } from "../index.js";
import { codeOf, wat } from "./build.ts";

const bytes = wat(`(module
  (type $answer (func (result i32)))
  (memory (export "memory") 1 3)
  (table 4 funcref)
  (elem (i32.const 0) $one $wide)
  (global (export "counter") (mut i32) (i32.const 5))
  (global (export "long") (mut i64) (i64.const -6))
  (global (export "single") (mut f32) (f32.const 0.5))
  (global (export "double") (mut f64) (f64.const 0.1))
  (global (export "fixed") i32 (i32.const 7))
  (func $one (result i32) (i32.const 1))
  (func $wide (result i64) (i64.const 1))
  (func (export "unreachable") unreachable)
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 1)))
  (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 9) (local.get 1)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "truncate") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func (export "saturate") (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))
  (func (export "indirect") (param i32) (result i32) (call_indirect (type $answer) (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "count") (result i32)
    (global.set 0 (i32.add (global.get 0) (i32.const 1))) (global.get 0))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func $endless (export "endless") (call $endless)))`);

describe("traps", () => {
  const instance = load(bytes);

  test.each([
    ["trap-unreachable", "unreachable", []],
    ["trap-out-of-bounds", "load", [65533]],
    ["trap-out-of-bounds", "load", [-1]],
    ["trap-out-of-bounds", "fill", [65000, 537]],
    ["trap-divide-by-zero", "divide", [1, 0]],
    ["trap-integer-overflow", "divide", [-(2 ** 31), -1]],
    ["trap-integer-overflow", "truncate", [1e10]],
    ["trap-invalid-conversion", "truncate", [Number.NaN]],
    ["trap-indirect-call-type", "indirect", [1]],
    ["trap-table-index", "indirect", [4]],
    ["trap-stack-overflow", "endless", []],
    ["trap-stack-overflow", "deep", [1_000_000]],
  ])("%s", (code, name, args) => {
    expect(codeOf(() => instance.call(name, ...(args as number[])))).toBe(code);
    // The instance works on.
    expect(instance.call("divide", 7, 2)).toBe(3);
  });

  test("what does not trap", () => {
    expect(instance.call("load", 65532)).toBe(0);
    expect(instance.call("saturate", Number.NaN)).toBe(0);
    expect(instance.call("indirect", 0)).toBe(1);
    expect(instance.call("deep", 100)).toBe(100);
  });

  test("a trap in the start function", () => {
    expect(codeOf(() => load(wat("(module (func $start unreachable) (start $start))")))).toBe("trap-unreachable");
  });

  test("the start function runs once, before anything else", () => {
    const calls: string[] = [];
    const started = load(wat(`(module (import "h" "f" (func $f)) (start $f) (func (export "run") (call $f)))`), {
      imports: { h: { f: () => calls.push("f") && undefined } },
    });
    expect(calls).toHaveLength(1);
    started.call("run");
    expect(calls).toHaveLength(2);
  });

  test("the native stack is guarded where the value stack is large", () => {
    const large = load(bytes, { stackBytes: 16 << 20 });
    expect(codeOf(() => large.call("endless"))).toBe("trap-stack-overflow");
    expect(large.call("deep", 1000)).toBe(1000);
  });

  test("a small value stack holds small calls only", () => {
    const small = load(bytes, { stackBytes: 256 });
    expect(small.call("divide", 9, 3)).toBe(3);
    expect(codeOf(() => small.call("deep", 100))).toBe("trap-stack-overflow");
    expect(codeOf(() => load(bytes, { stackBytes: 1 }).call("divide", 1, 1))).toBe("trap-stack-overflow");
  });
});

describe("globals", () => {
  const instance = load(bytes);

  test("read and written from both sides", () => {
    expect(["counter", "long", "single", "double", "fixed"].map((name) => instance.getGlobal(name))).toEqual([
      5,
      -6n,
      0.5,
      0.1,
      7,
    ]);
    instance.call("count");
    expect(instance.getGlobal("counter")).toBe(6);
    instance.setGlobal("counter", -1);
    expect(instance.call("count")).toBe(0);
    instance.setGlobal("long", 2n ** 63n);
    expect(instance.getGlobal("long")).toBe(-(2n ** 63n));
  });

  test("refusals", () => {
    expect(codeOf(() => instance.setGlobal("fixed", 1))).toBe("type");
    expect(codeOf(() => instance.setGlobal("counter", 0.5))).toBe("type");
    expect(codeOf(() => instance.setGlobal("long", 1))).toBe("type");
    expect(codeOf(() => instance.setGlobal("absent", 1))).toBe("no-export");
    expect(instance.getGlobal("fixed")).toBe(7);
  });
});

describe("memory", () => {
  test("copies in and out, at the edges too", () => {
    const { memory } = load(bytes);
    expect(memory.byteLength).toBe(65536);
    memory.write(65533, Int8Array.of(-1, -2, -3));
    expect([...memory.read(65532, 4)]).toEqual([0, 255, 254, 253]);
    const target = new Uint8Array(8).subarray(2, 5);
    memory.readInto(65533, target);
    expect([...new Uint8Array(target.buffer)]).toEqual([0, 0, 255, 254, 253, 0, 0, 0]);
    memory.write(65536, new Uint8Array(0));
    expect(memory.read(65536, 0)).toHaveLength(0);
    memory.write(0, Buffer.from("hi"));
    expect(Buffer.from(memory.read(0, 2)).toString()).toBe("hi");
  });

  test("a copy stays as it was", () => {
    const instance = load(bytes);
    const before = instance.memory.read(0, 2);
    instance.call("store", 0);
    expect([...before, ...instance.memory.read(0, 2)]).toEqual([0, 0, 1, 0]);
  });

  test.each([
    ["bounds", 65536, 1],
    ["bounds", 65535, 2],
    ["bounds", 0, 65537],
    ["bounds", 2 ** 32, 1],
    ["type", -1, 1],
    ["type", 0.5, 1],
    ["type", Number.NaN, 1],
    ["type", 2 ** 60, 1],
    ["type", "0", 1],
  ])("%s: %s, %s", (code, at, count) => {
    const { memory } = load(bytes);
    expect(codeOf(() => memory.read(at as number, count))).toBe(code);
    expect(codeOf(() => memory.readInto(at as number, new Uint8Array(count)))).toBe(code);
    expect(codeOf(() => memory.write(at as number, new Uint8Array(count)))).toBe(code);
  });

  test("arguments of the wrong type", () => {
    const { memory } = load(bytes);
    for (const count of [-1, 0.5, Number.NaN, "1", undefined])
      expect(codeOf(() => memory.read(0, count as number))).toBe("type");
    for (const wrong of [undefined, [1], "x", new Uint16Array(1), new ArrayBuffer(1)]) {
      expect(codeOf(() => memory.write(0, wrong as never))).toBe("type");
      expect(codeOf(() => memory.readInto(0, wrong as never))).toBe("type");
    }
  });

  test("a limit below the declared page", () => {
    const instance = load(bytes, { memoryLimit: 6144 });
    expect(instance.memory.byteLength).toBe(6144);
    instance.call("store", 6143);
    expect(codeOf(() => instance.call("store", 6144))).toBe("trap-out-of-bounds");
    expect(codeOf(() => instance.memory.read(6144, 1))).toBe("bounds");
  });

  test("memory.grow tells the truth about the limit", () => {
    const grown = load(bytes);
    expect(grown.call("grow", 1)).toBe(1);
    expect(grown.memory.byteLength).toBe(131072);
    grown.call("store", 131071);
    expect(grown.call("grow", 2)).toBe(-1);
    const limited = load(bytes, { memoryLimit: 131072 + 100 });
    expect(limited.call("grow", 2)).toBe(-1);
    expect(limited.call("grow", 1)).toBe(1);
    expect(limited.memory.byteLength).toBe(131072);
    expect(load(bytes, { memoryLimit: 6144 }).call("grow", 1)).toBe(-1);
  });

  test("memory may grow while an import runs", () => {
    const growing = load(
      wat(`(module (import "h" "f" (func $f)) (memory 1 2)
        (func (export "grow") (drop (memory.grow (i32.const 1))))
        (func (export "run") (result i32) (call $f) (i32.store8 (i32.const 131071) (i32.const 3)) (i32.load8_u (i32.const 131071))))`),
      { imports: { h: { f: () => growing.call("grow") } } },
    );
    expect(growing.call("run")).toBe(3);
  });

  test("a limit that is too small for the module's data", () => {
    const withData = wat(`(module (memory 1) (data (i32.const 100) "abcd"))`);
    expect(load(withData, { memoryLimit: 104 }).memory.byteLength).toBe(104);
    expect(codeOf(() => load(withData, { memoryLimit: 103 }))).toBe("memory-limit");
  });

  test("a module that declares more than the default limit", () => {
    const huge = wat("(module (memory 2000))");
    expect(codeOf(() => load(huge))).toBe("memory-limit");
    expect(load(huge, { memoryLimit: 4096 }).memory.byteLength).toBe(4096);
  });

  test.each(["memoryLimit", "stackBytes"])("%s must be a sensible number", (option) => {
    for (const value of [0, -1, 0.5, Number.NaN, 2 ** 31, "64"])
      expect(codeOf(() => load(bytes, { [option]: value }))).toBe("type");
  });

  test("a module without memory", () => {
    const none = load(wat("(module)"));
    expect(none.memory.byteLength).toBe(0);
    expect(codeOf(() => none.memory.read(0, 1))).toBe("bounds");
  });
});
