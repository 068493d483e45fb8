import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { assemble, TINY_WEIGHTS, tinyAnswer, tinyBundle, tinyDraft, tinyWasm } from "../../test/support/tiny-bundle.ts";
import { type Bundle, createBundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import { ENGINE_KINDS, type Engine, type EngineKind } from "./engine.ts";
import { type EngineOptions, openEngine, openSharedEngine } from "./open.ts";

const opened: Engine[] = [];
afterEach(() => {
  for (const engine of opened.splice(0)) engine.close();
});

function open(bundle: Bundle, kind: EngineKind, options?: EngineOptions): Engine {
  const engine = openEngine(bundle, kind, options);
  opened.push(engine);
  return engine;
}

/** A bundle of the tiny layout around another module. */
const bundleOf = (text: string) => tinyBundle({ edgeWasm: assemble(text) });
const stepModule = (body: string, extra = "") => `(module
  (import "hedge" "load_weights" (func $load_weights (param i32 i32 i32)))
  (memory (export "memory") 1 1) ${extra}
  (func (export "step") (param i32) (result i32) ${body}))`;

const samples = fc.int8Array({ minLength: 4, maxLength: 4 });

describe.each(ENGINE_KINDS)("the %s engine", (kind) => {
  test("answers as the model's definition says, sample after sample", async () => {
    const engine = open(await tinyBundle(), kind);
    fc.assert(
      fc.property(samples, fc.double({ min: 0, max: 2, noNaN: true }), (input, threshold) => {
        engine.threshold = threshold;
        // Thresholds are rounded to 2^-16 nats.
        expect(engine.classify(input)).toEqual(tinyAnswer(input, Math.round(threshold * 65536) / 65536));
      }),
    );
  });

  test("threshold 0 offloads everything, Infinity nothing", async () => {
    const engine = open(await tinyBundle(), kind, { threshold: 0 });
    expect(engine.classify(Int8Array.of(0, 0, 0, 0)).exited).toBe(false);
    engine.threshold = Infinity;
    expect(engine.classify(Int8Array.of(0, 0, 0, -128)).exited).toBe(true);
  });

  test("starts with the manifest's threshold", async () => {
    expect(open(await tinyBundle(), kind).threshold).toBe(0.5);
  });

  test("an abandoned sample leaves no trace", async () => {
    const engine = open(await tinyBundle(), kind);
    engine.begin(Int8Array.of(100, 0, 0, 127));
    engine.step();
    const input = Int8Array.of(-1, 2, -3, 120);
    expect(engine.classify(input)).toEqual(tinyAnswer(input));
  });

  test("engines of one bundle do not share state", async () => {
    const bundle = await tinyBundle();
    const [first, second] = [open(bundle, kind), open(bundle, kind)];
    const [a, b] = [Int8Array.of(1, 2, 3, 127), Int8Array.of(-9, 8, -7, 126)];
    first.begin(a);
    second.begin(b);
    while (!first.step()) second.step();
    second.step();
    expect([first.result(), second.result()]).toEqual([tinyAnswer(a), tinyAnswer(b)]);
  });

  test("devices that share an engine share nothing of their memory", async () => {
    // Counts in its memory how often it was run; the count is the label's logit.
    const bundle = await bundleOf(
      stepModule(`(i32.store (i32.const 60) (i32.add (i32.load (i32.const 60)) (i32.const 1)))
        (i32.store (i32.const 20) (i32.const 1)) (i32.store (i32.const 28) (i32.load (i32.const 60))) (i32.const 1)`),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 0, max: 9 })), { maxLength: 60 }), (turns) => {
        const shared = openSharedEngine(bundle, kind, 5);
        const counts = [0, 0, 0, 0, 0];
        const used = new Set([0]);
        let inUse = 0;
        for (const [image, action] of turns) {
          if (action === 0) {
            shared.reset(image);
            counts[image] = 0;
            if (image !== inUse) used.delete(image);
          } else {
            shared.use(image);
            used.add(image);
            inUse = image;
            counts[image]!++;
            expect(shared.classify(new Int8Array(4)).logits[0]).toBe(counts[image]);
          }
          expect(shared.imageBytes).toBe(64 * used.size);
        }
        shared.close();
      }),
    );
  });

  test("a sample under way is given up when another device has its turn", async () => {
    const shared = openSharedEngine(await tinyBundle(), kind, 2);
    shared.begin(new Int8Array(4));
    shared.use(1);
    expect(() => shared.step()).toThrow("without a sample");
    expect(() => shared.use(2)).toThrow("There is no image 2");
    expect(() => shared.reset(-1)).toThrow("There is no image -1");
    shared.close();
  });

  test("a module with state outside of its memory is not shared", async () => {
    const bundle = await bundleOf(stepModule("(i32.const 1)", "(global (mut i32) (i32.const 0))"));
    expect(() => openSharedEngine(bundle, kind, 2)).toThrow("keeps state outside of its memory");
    openSharedEngine(bundle, kind, 1).close();
  });

  test("an edge-only model answers every sample, and takes no threshold", async () => {
    const engine = open(await tinyBundle({ edgeOnly: true }), kind);
    const input = Int8Array.of(1, 2, 3, 127);
    const { label, logits } = tinyAnswer(input);
    expect(engine.classify(input)).toEqual({ label, exited: true, entropy: 0, logits, payload: undefined });
    expect(() => {
      engine.threshold = 1;
    }).toThrow("tiny is an edge-only model: it has no exit that a threshold could apply to.");
  });

  test("an edge-only model whose output names no label", async () => {
    const draft = tinyDraft({ edgeOnly: true });
    const bundle = (edgeWasm: Uint8Array) =>
      createBundle(
        { ...draft, classes: [], output: { ...draft.output!, labels: false } },
        { edgeWasm, weights: Uint8Array.from(TINY_WEIGHTS) },
      );
    const row = (label: number) =>
      assemble(
        stepModule(`(block (result i32)
        (i32.store (i32.const 16) (i32.const ${label})) (i32.store (i32.const 20) (i32.const 1))
        (i32.store (i32.const 28) (i32.const -7)) (i32.const 1))`),
      );
    const result = open(await bundle(row(-1)), kind).classify(new Int8Array(4));
    expect(result).toEqual({
      label: -1,
      exited: true,
      entropy: 0,
      logits: Int32Array.of(-7, 0, 0),
      payload: undefined,
    });
    const named = open(await bundle(row(2)), kind);
    expect(() => named.classify(new Int8Array(4))).toThrow("its result is label 2, exited 1, entropy 0");
  });

  test("tells its memory", async () => {
    const { memory } = open(await tinyBundle(), kind);
    if (kind === "v8") expect(memory).toEqual({ linear: 65536 });
    else {
      expect(memory).toMatchObject({ linear: 64, stack: 1024 });
      expect(memory.metacode).toBeGreaterThan(100);
      expect(memory.metacode).toBeLessThan(8192);
    }
  });

  test("a sample of the wrong size", async () => {
    const engine = open(await tinyBundle(), kind);
    for (const size of [0, 3, 5]) {
      expect(() => engine.begin(new Int8Array(size))).toThrow(`has ${size} bytes; 4 are needed`);
    }
  });

  test("steps out of order", async () => {
    const engine = open(await tinyBundle(), kind);
    expect(() => engine.step()).toThrow("without a sample");
    engine.begin(new Int8Array(4));
    expect(() => engine.result()).toThrow("before the sample was done");
    while (!engine.step());
    expect(() => engine.step()).toThrow("without a sample");
  });

  test("use after close", async () => {
    const engine = open(await tinyBundle(), kind);
    engine.close();
    engine.close();
    expect(() => engine.begin(new Int8Array(4))).toThrow("closed");
  });

  test.each([Number.NaN, -1])("threshold %d is refused", async (threshold) => {
    const bundle = await tinyBundle();
    expect(() => open(bundle, kind, { threshold })).toThrow(HedgeError);
  });

  test.each([
    ["traps", "unreachable", /step 0 failed/],
    ["never finishes", "(i32.const 0)", /no result after all 3 steps/],
    ["answers nonsense", "(i32.const 7)", /step 0 answered 7/],
    ["gives an impossible label", "(i32.store (i32.const 16) (i32.const 3)) (i32.const 1)", /label 3/],
    ["gives an impossible flag", "(i32.store (i32.const 20) (i32.const 2)) (i32.const 1)", /exited 2/],
    [
      "asks for weights that are not there",
      "(call $load_weights (i32.const 0) (i32.const 1) (i32.const 3)) (i32.const 1)",
      /3 bytes of weights at 1 \(of 3\)/,
    ],
    [
      "asks for weights at a negative offset",
      "(call $load_weights (i32.const 0) (i32.const -1) (i32.const 2)) (i32.const 1)",
      /2 bytes of weights at 4294967295/,
    ],
    [
      "wants weights beyond its memory",
      "(call $load_weights (i32.const 62) (i32.const 0) (i32.const 3)) (i32.const 1)",
      /address 62 \(of 64\)/,
    ],
  ])("a module that %s", async (_, body, message) => {
    const engine = open(await bundleOf(stepModule(body)), kind);
    expect(() => engine.classify(new Int8Array(4))).toThrow(message);
    expect(() => engine.classify(new Int8Array(4))).toThrow(HedgeError);
  });

  test.each([
    [
      "another signature of step",
      `(module (memory (export "memory") 1) (func (export "step") (result i32) (i32.const 1)))`,
      /step is \(\) -> \(i32\)/,
    ],
    [
      "another signature of load_weights",
      `(module (import "hedge" "load_weights" (func (param i64)))
      (memory (export "memory") 1) (func (export "step") (param i32) (result i32) (i32.const 1)))`,
      /load_weights is \(i64\) -> \(\)/,
    ],
    [
      "two pages",
      `(module (memory (export "memory") 2) (func (export "step") (param i32) (result i32) (i32.const 1)))`,
      /2 pages/,
    ],
    ["a start function", stepModule("(i32.const 1)", "(func $s) (start $s)"), /start function/],
  ])("%s is refused", async (_, text, message) => {
    const bundle = await bundleOf(text);
    expect(() => open(bundle, kind)).toThrow(message);
    expect(() => open(bundle, kind)).toThrow(HedgeError);
  });
});

test("access beyond the manifest's memory traps on wasm3", async () => {
  const engine = open(await bundleOf(stepModule("(i32.store8 (i32.const 64) (i32.const 1)) (i32.const 1)")), "wasm3");
  expect(() => engine.classify(new Int8Array(4))).toThrow(/out of bounds/);
});

test("data beyond the manifest's memory is refused on wasm3", async () => {
  const bundle = await bundleOf(stepModule("(i32.const 1)", `(data (i32.const 64) "x")`));
  expect(() => open(bundle, "wasm3")).toThrow("reaches to byte 65, beyond the memory limit of 64 bytes");
});

test("both engines give the same bytes", async () => {
  const bundle = await tinyBundle();
  const [wasm3, v8] = [open(bundle, "wasm3"), open(bundle, "v8")];
  fc.assert(
    fc.property(samples, (input) => {
      expect(wasm3.classify(input)).toEqual(v8.classify(input));
    }),
  );
});

test("an unknown engine", async () => {
  const bundle = await createBundle(tinyDraft({ edgeOnly: true }), {
    edgeWasm: tinyWasm({ edgeOnly: true }),
    weights: new Uint8Array(3),
  });
  expect(() => openEngine(bundle, "abacus" as EngineKind)).toThrow('There is no engine "abacus"');
});
