import { describe, expect, test } from "vitest";
import { compile, load, Wasm3Error } from "../index.js";
import { codeOf, wat } from "./build.ts";

/** A module of raw sections: [id, ...content]. */
const raw = (...sections: number[][]) =>
  Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...sections.flatMap(([id, ...content]) => [id!, ...leb(content.length), ...content]),
  ]);

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

/** One exported function () -> () with this body. */
const withBody = (body: number[], locals = [0]) =>
  raw(
    [1, 1, 0x60, 0, 0],
    [3, 1, 0],
    [7, 1, 1, 0x66, 0, 0],
    [10, 1, ...leb(body.length + locals.length), ...locals, ...body],
  );

describe("malformed bytes", () => {
  test("what is no module", () => {
    for (const bytes of [
      [],
      [0],
      [0, 0x61, 0x73, 0x6d],
      [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0],
      [...Buffer.from("not wasm")],
    ]) {
      expect(codeOf(() => load(Uint8Array.from(bytes)))).toBe("malformed");
    }
    for (const wrong of [undefined, null, "text", [0], new ArrayBuffer(8)])
      expect(codeOf(() => load(wrong as never))).toBe("type");
  });

  test("every truncation of a module", () => {
    const bytes = wat(`(module (memory 1) (data (i32.const 0) "x") (func (export "f") (result i32) (i32.const 1)))`);
    for (let length = 9; length < bytes.length; ++length) {
      const cut = bytes.slice(0, length);
      // Some cuts end between sections and are modules of their own.
      if (!WebAssembly.validate(cut)) expect(codeOf(() => load(cut))).toBe("malformed");
    }
  });

  test("a type error, which wasm3 itself would run", () => {
    expect(codeOf(() => load(withBody([0x42, 0, 0x40, 0, 0x0b])))).toBe("malformed");
  });

  test("segments outside their memory or table", () => {
    expect(codeOf(() => load(wat(`(module (memory 1) (data (i32.const 65536) "x"))`)))).toBe("malformed");
    expect(codeOf(() => load(wat(`(module (memory 1) (data (i32.const -1) "x"))`)))).toBe("malformed");
    expect(codeOf(() => load(wat(`(module (table 1 funcref) (elem (i32.const 1) $f) (func $f))`)))).toBe("malformed");
  });
});

describe("valid modules that wasm3 cannot be given", () => {
  const unsupported: [string, Uint8Array<ArrayBuffer>][] = [
    ["an imported memory", raw([2, 1, 1, 0x6d, 1, 0x6d, 2, 0, 1])],
    ["an imported table", raw([2, 1, 1, 0x6d, 1, 0x6d, 1, 0x70, 0, 1])],
    ["an imported global", raw([2, 1, 1, 0x6d, 1, 0x6d, 3, 0x7f, 0])],
    ["a vector type", withBody([0x0b], [1, 1, 0x7b])],
    ["a vector instruction", withBody([0xfd, 0x0c, ...new Array(16).fill(0), 0x1a, 0x0b])],
    ["a tail call", withBody([0x12, 0, 0x0b])],
    ["a typed select", withBody([0x41, 0, 0x41, 0, 0x41, 0, 0x1c, 1, 0x7f, 0x1a, 0x0b])],
    ["a reference", withBody([0xd0, 0x70, 0x1a, 0x0b])],
    ["a passive segment", raw([5, 1, 0, 1], [11, 1, 1, 1, 0x78])],
    ["a passive element segment", raw([4, 1, 0x70, 0, 1], [9, 1, 1, 0, 0])],
    ["two tables", raw([4, 2, 0x70, 0, 1, 0x70, 0, 1])],
    ["a shared memory", raw([5, 1, 3, 1, 1])],
    ["a table of external references", raw([4, 1, 0x6f, 0, 1])],
    ["a huge table", raw([4, 1, 0x70, 0, ...leb(100_000)])],
    ["a global of a reference", raw([6, 1, 0x70, 0, 0xd0, 0x70, 0x0b])],
    ["too many arguments", raw([1, 1, 0x60, ...leb(200), ...new Array(200).fill(0x7f), 0])],
    ["too many locals", withBody([0x0b], [1, ...leb(20_000), 0x7e])],
    ["blocks nested too deep", withBody([...new Array(5000).fill([0x02, 0x40]).flat(), ...new Array(5001).fill(0x0b)])],
    ["too many loops", withBody([...new Array(5000).fill([0x03, 0x40, 0x0b]).flat(), 0x0b])],
  ];

  test.each(unsupported)("%s", (_, bytes) => {
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(codeOf(() => load(bytes))).toBe("unsupported");
  });

  test("too many values at once for wasm3's compiler", () => {
    const bytes = withBody([...new Array(3000).fill([0x41, 1]).flat(), ...new Array(3000).fill(0x1a), 0x0b]);
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(codeOf(() => load(bytes))).toBe("unsupported");
  });

  test("a module of more than 16 MiB", () => {
    expect(codeOf(() => load(new Uint8Array((16 << 20) + 1)))).toBe("unsupported");
  });
});

test("names that nobody validates do not reach wasm3", () => {
  // A custom section "name" whose content ends in the middle.
  const name = [4, ...Buffer.from("name"), 1, 127, 5, 0, 100, 0x66];
  const bytes = withBody([0x0b]);
  const damaged = Uint8Array.from([...bytes, 0, name.length, ...name]);
  expect(load(damaged).call("f")).toBeUndefined();
});

test("exports of the same function under many names", () => {
  const names = Array.from({ length: 10 }, (_, i) => `(export "f${i}")`).join(" ");
  const instance = load(wat(`(module (func ${names} (result i32) (i32.const 4)))`));
  expect(compile(wat(`(module (func ${names}))`)).exports).toHaveLength(10);
  for (let i = 0; i < 10; ++i) expect(instance.call(`f${i}`)).toBe(4);
});

test("a changed buffer does not change a module", () => {
  const bytes = wat(`(module (func (export "f") (result i32) (i32.const 4)))`);
  const module = compile(bytes);
  const instance = load(module);
  bytes.fill(0);
  expect([instance.call("f"), load(module).call("f")]).toEqual([4, 4]);
});

test("errors are errors, with a sentence", () => {
  const error = new Wasm3Error("type", "Something.");
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "Wasm3Error", code: "type", message: "Something." });
});
