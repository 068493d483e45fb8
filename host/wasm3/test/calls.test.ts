import { describe, expect, test } from "vitest";
import { compile, load, type Wasm3Instance } from "../index.js";
import { codeOf, wat } from "./build.ts";

const echo = wat(`(module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "swap") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.sub (local.get 16) (local.get 17))))`);

describe("calling exports", () => {
  const instance = load(echo);

  test("each type goes in and comes back", () => {
    for (const value of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) expect(instance.call("i32", value)).toBe(value);
    expect(instance.call("i32", 2 ** 32 - 1)).toBe(-1);
    for (const value of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) expect(instance.call("i64", value)).toBe(value);
    expect(instance.call("i64", 2n ** 64n - 1n)).toBe(-1n);
    for (const value of [0, -0, 0.5, Math.fround(0.1), Number.NaN, Infinity])
      expect(instance.call("f32", value)).toBe(value);
    expect(instance.call("f32", 0.1)).toBe(Math.fround(0.1));
    for (const value of [0, -0, 0.1, Number.MAX_VALUE, Number.NaN, -Infinity])
      expect(instance.call("f64", value)).toBe(value);
  });

  test("none, several and many", () => {
    expect(instance.call("nothing")).toBeUndefined();
    expect(instance.call("swap", 7, -8n, 0.5, 0.1)).toEqual([0.1, 0.5, -8n, 7]);
    expect(instance.call("many", ...new Array(16).fill(9), 5, 3)).toBe(2);
  });

  test("a handle outlives the variable that held its instance", () => {
    const step = (() => load(echo).function<(value: number) => number>("i32"))();
    expect(step(41)).toBe(41);
    expect(step.name).toBe("i32");
  });

  test.each([
    ["a fraction", "i32", [0.5]],
    ["too large", "i32", [2 ** 32]],
    ["too small", "i32", [-(2 ** 31) - 1]],
    ["NaN", "i32", [Number.NaN]],
    ["a BigInt for an i32", "i32", [1n]],
    ["a string", "i32", ["1"]],
    ["a number for an i64", "i64", [1]],
    ["65 bits", "i64", [2n ** 64n]],
    ["too negative", "i64", [-(2n ** 63n) - 1n]],
    ["undefined", "f32", [undefined]],
    ["an object", "f64", [{}]],
    ["no argument", "f64", []],
    ["two arguments", "f64", [1, 2]],
    ["too many for the fast path", "many", new Array(40).fill(0)],
  ])("%s is refused", (_, name, args) => {
    expect(codeOf(() => instance.call(name as string, ...(args as never[])))).toBe("type");
  });

  test("an export that is not there", () => {
    expect(codeOf(() => instance.function("absent"))).toBe("no-export");
    expect(codeOf(() => instance.getGlobal("i32"))).toBe("no-export");
  });
});

describe("calling imports", () => {
  const bytes = wat(`(module
    (import "host" "all" (func $all (param i32 i64 f32 f64) (result f64 i64)))
    (import "host" "one" (func $one (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "all") (result f64 i64) (call $all (i32.const -1) (i64.const -2) (f32.const 0.5) (f64.const 0.1)))
    (func (export "one") (param i32) (result i32) (i32.add (call $one (local.get 0)) (i32.const 100)))
    (func (export "sum") (param i32) (result i32) (local i32)
      (loop $again
        (local.set 1 (i32.add (local.get 1) (call $one (local.get 0))))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get 1)))`);
  const withOne = (one: (value: number) => unknown, all: (...args: never[]) => unknown = () => [0, 0n]) =>
    load(bytes, { imports: { host: { one, all } } });

  test("every type in both directions", () => {
    const seen: unknown[] = [];
    const instance = withOne(
      () => 0,
      (...args) => {
        seen.push(...args);
        return [2.5, -3n];
      },
    );
    expect(instance.call("all")).toEqual([2.5, -3n]);
    expect(seen).toEqual([-1, -2n, 0.5, 0.1]);
  });

  test("many calls in one run", () => {
    expect(withOne((value) => value).call("sum", 100_000)).toBe((100_000 * 100_001) / 2 - 2 ** 32);
  });

  test("what an import throws reaches the caller, whatever it is", () => {
    const failure = new RangeError("no such weights");
    for (const thrown of [failure, "text", 5, null, undefined]) {
      const instance = withOne(() => {
        throw thrown;
      });
      let caught: unknown = "nothing";
      try {
        instance.call("one", 1);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(thrown);
      expect(codeOf(() => instance.memory.read(0, 1))).toBe("nothing was thrown");
    }
  });

  test("a result of the wrong type", () => {
    for (const result of [undefined, "1", 0.5, 1n])
      expect(codeOf(() => withOne(() => result).call("one", 1))).toBe("type");
    for (const result of [5, [1], [1, 2], [1, 2n, 3]]) {
      expect(
        codeOf(() =>
          withOne(
            () => 0,
            () => result,
          ).call("all"),
        ),
      ).toBe("type");
    }
  });

  test("an import may call exports, and sees its own arguments and results unharmed", () => {
    const instance: Wasm3Instance = withOne((depth) => (depth === 0 ? 1 : instance.call("one", depth - 1)));
    expect(instance.call("one", 5)).toBe(601);
  });

  test("a trap in a nested call can be caught by the import", () => {
    const inner = load(wat(`(module (func (export "trap") unreachable))`));
    const instance = withOne(() => (codeOf(() => inner.call("trap")) === "trap-unreachable" ? 1 : 0));
    expect(instance.call("one", 0)).toBe(101);
  });

  test("endless recursion through imports ends in an error", () => {
    const instance: Wasm3Instance = withOne((value) => instance.call("one", value));
    expect(() => instance.call("one", 0)).toThrow(/stack/i);
    const large: Wasm3Instance = load(bytes, {
      stackBytes: 16 << 20,
      imports: { host: { all: () => [0, 0n], one: (value: number) => large.call("one", value) } },
    });
    expect(() => large.call("one", 0)).toThrow(/stack/i);
  });

  test("an import may copy into memory", () => {
    const instance = withOne((at) => {
      instance.memory.write(at, new Uint8Array([1, 2, 3]));
      return 0;
    });
    instance.call("one", 65533);
    expect([...instance.memory.read(65532, 4)]).toEqual([0, 1, 2, 3]);
    expect(codeOf(() => instance.call("one", 65534))).toBe("bounds");
  });

  test.each([
    ["no imports at all", undefined],
    ["no such module", { other: {} }],
    ["no such function", { host: { one: () => 0 } }],
    ["not a function", { host: { one: 5, all: () => 0 } }],
  ])("linking: %s", (_, imports) => {
    expect(codeOf(() => load(bytes, { imports: imports as never }))).toBe("link");
  });

  test("the module tells what it imports", () => {
    expect(compile(bytes).imports).toEqual([
      { module: "host", name: "all", params: ["i32", "i64", "f32", "f64"], results: ["f64", "i64"] },
      { module: "host", name: "one", params: ["i32"], results: ["i32"] },
    ]);
  });
});

describe("freeing", () => {
  test("use after free", () => {
    const instance = load(echo);
    const handle = instance.function("i32");
    instance.free();
    instance.free();
    expect(codeOf(() => handle(1))).toBe("freed");
    expect(codeOf(() => instance.call("f64", 1))).toBe("freed");
    expect(codeOf(() => instance.memory.byteLength)).toBe("freed");
    expect(codeOf(() => instance.memory.write(0, new Uint8Array(1)))).toBe("freed");
    expect(codeOf(() => instance.metacodeBytes)).toBe("freed");
  });

  test("not while a function runs", () => {
    const bytes = wat(`(module (import "h" "f" (func $f)) (func (export "run") (call $f)))`);
    const instance: Wasm3Instance = load(bytes, { imports: { h: { f: () => instance.free() } } });
    expect(codeOf(() => instance.call("run"))).toBe("busy");
    instance.free();
    expect(codeOf(() => instance.call("run"))).toBe("freed");
  });
});
