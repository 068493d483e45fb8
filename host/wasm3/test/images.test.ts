import fc from "fast-check";
import { expect, test } from "vitest";
import { compile, load, type Wasm3Instance } from "../index.js";
import { codeOf, wat } from "./build.ts";

/** Adds to a byte and tells it, grows its memory, tells its size, traps, calls out. */
const module = compile(
  wat(`(module (import "host" "call" (func $call))
    (memory (export "memory") 1 3) (data (i32.const 100) "\\07")
    (func (export "add") (param i32 i32) (result i32)
      (i32.store8 (local.get 0) (i32.add (i32.load8_u (local.get 0)) (local.get 1)))
      (i32.load8_u (local.get 0)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "size") (result i32) (memory.size))
    (func $deep (export "deep") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
        (else (i32.load8_u (i32.const 100)))))
    (func (export "callOut") (call $call)))`),
);
const imports = { host: { call: () => undefined } };
const PAGE = 65536;

test("each image is a memory of its own; a new one is as after instantiation", () => {
  const limit = 256;
  fc.assert(
    fc.property(
      fc.array(fc.record({ image: fc.nat(3), act: fc.constantFrom("add", "write", "reset"), at: fc.nat(limit - 1) }), {
        maxLength: 80,
      }),
      (turns) => {
        const instance = load(module, { memoryLimit: limit, images: 4, imports });
        const fresh = () => Uint8Array.from({ length: limit }, (_, i) => (i === 100 ? 7 : 0));
        const expected = [fresh(), fresh(), fresh(), fresh()];
        for (const { image, act, at } of turns) {
          if (act === "reset") {
            instance.resetImage(image);
            expected[image] = fresh();
            continue;
          }
          instance.useImage(image);
          expected[image]![at]! += 3;
          if (act === "add") expect(instance.call("add", at, 3)).toBe(expected[image]![at]);
          else instance.memory.write(at, expected[image]!.subarray(at, at + 1));
        }
        for (const [image, bytes] of expected.entries()) {
          instance.useImage(image);
          expect(instance.memory.byteLength).toBe(limit);
          expect(instance.memory.read(0, limit)).toEqual(bytes);
        }
        expect(instance.imageBytes).toBe(4 * limit);
        instance.free();
      },
    ),
  );
});

test("only images that were used take memory", () => {
  const instance = load(module, { memoryLimit: 4096, images: 1 << 20, imports });
  expect(instance.imageBytes).toBe(4096);
  instance.useImage((1 << 20) - 1);
  instance.useImage(0);
  expect(instance.imageBytes).toBe(2 * 4096);
  instance.resetImage((1 << 20) - 1);
  instance.resetImage((1 << 20) - 1);
  instance.resetImage(0);
  expect(instance.imageBytes).toBe(4096);
});

test("each image grows by itself, up to the limit", () => {
  const instance = load(module, { memoryLimit: 2 * PAGE, images: 2, imports });
  instance.useImage(1);
  expect([instance.call("grow"), instance.call("grow"), instance.call("size")]).toEqual([1, -1, 2]);
  expect(instance.call("add", 2 * PAGE - 1, 5)).toBe(5);
  instance.useImage(0);
  expect(instance.call("size")).toBe(1);
  expect(codeOf(() => instance.call("add", PAGE, 1))).toBe("trap-out-of-bounds");
  instance.useImage(1);
  expect(instance.call("add", 2 * PAGE - 1, 5)).toBe(10);
  expect(instance.imageBytes).toBe(3 * PAGE);
  instance.resetImage(1);
  expect([instance.call("size"), instance.memory.byteLength, instance.imageBytes]).toEqual([1, PAGE, 2 * PAGE]);
});

test("access beyond an image traps, and leaves the others as they are", () => {
  const instance = load(module, { memoryLimit: 128, images: 2, imports });
  for (const image of [1, 0, 1]) {
    instance.useImage(image);
    expect(codeOf(() => instance.call("add", 128, 1))).toBe("trap-out-of-bounds");
    expect(codeOf(() => instance.memory.read(127, 2))).toBe("bounds");
    expect(instance.call("deep", 10)).toBe(62);
  }
});

test("the stack's end holds for every image", () => {
  const instance = load(module, { memoryLimit: 128, stackBytes: 2048, images: 2, imports });
  for (const image of [1, 0]) {
    instance.useImage(image);
    expect(codeOf(() => instance.call("deep", 1_000_000))).toBe("trap-stack-overflow");
    expect(instance.call("deep", 3)).toBe(13);
  }
});

test("images stay where they are while a function runs", () => {
  const codes: string[] = [];
  const instance: Wasm3Instance = load(module, {
    memoryLimit: 128,
    images: 2,
    imports: {
      host: {
        call: () => {
          codes.push(
            codeOf(() => instance.useImage(1)),
            codeOf(() => instance.resetImage(0)),
          );
        },
      },
    },
  });
  instance.call("callOut");
  expect(codes).toEqual(["busy", "busy"]);
  instance.useImage(1);
});

test("what is no image", () => {
  const instance = load(module, { memoryLimit: 128, images: 2, imports });
  for (const index of [2, -1, 0.5, Number.NaN, 2 ** 32, "1"]) {
    expect(codeOf(() => instance.useImage(index as number))).toBe("type");
    expect(codeOf(() => instance.resetImage(index as number))).toBe("type");
  }
  for (const images of [0, -1, 1.5, (1 << 20) + 1, "2"])
    expect(codeOf(() => load(module, { images: images as number, imports }))).toBe("type");
  instance.free();
  expect(codeOf(() => instance.useImage(1))).toBe("freed");
  expect(codeOf(() => instance.resetImage(1))).toBe("freed");
  expect(codeOf(() => instance.imageBytes)).toBe("freed");
});

test.each([
  ["mutable globals", `(module (memory 1) (global (mut i32) (i32.const 0)))`, false],
  ["a start function", `(module (memory 1) (func $f) (start $f))`, false],
  ["constant globals", `(module (memory 1) (global i32 (i32.const 0)))`, true],
  ["no memory", `(module)`, true],
])("a module with %s", (_, text, shared) => {
  const compiled = compile(wat(text));
  expect(compiled.memoryIsState).toBe(shared);
  expect(codeOf(() => load(compiled, { images: 2 }).useImage(1))).toBe(shared ? "nothing was thrown" : "unsupported");
  load(compiled).useImage(0);
});

test("native kernels work on the image in use", () => {
  const packer = wat(`(module (import "hedge_native" "pack_levels" (func $pack (param i32)))
    (memory (export "memory") 1) (func (export "run") (call $pack (i32.const 0))))`);
  const instance = load(packer, { memoryLimit: 1024, images: 2 });
  /** One channel of one pixel to one bit: whether it reaches 5. */
  const [input, output, thresholds] = [100, 101, 104];
  for (const [image, value] of [6, 4].entries()) {
    instance.useImage(image);
    instance.memory.write(0, new Uint8Array(Int32Array.of(input, output, 1, 1, 1, thresholds).buffer));
    instance.memory.write(input, Uint8Array.of(value, 77));
    instance.memory.write(thresholds, new Uint8Array(Int16Array.of(0, 5).buffer));
  }
  for (const [image, level] of [1, 0].entries()) {
    instance.useImage(image);
    instance.call("run");
    expect(instance.memory.read(output, 1)).toEqual(Uint8Array.of(level));
  }
});
