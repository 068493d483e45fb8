import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import {
  DEAD_REASONS,
  type DeadLetter,
  decodeDeadLetter,
  decodeOffload,
  decodeResult,
  encodeDeadLetter,
  encodeOffload,
  encodeResult,
  FRAME_LIMITS,
  FrameError,
  type Offload,
  RESULT_STATES,
  type Result,
} from "./frames.ts";

const packr = new Packr({ useRecords: false });
const pack = (value: unknown) => new Uint8Array(packr.pack(value));
const decoders = [decodeOffload, decodeResult, decodeDeadLetter];

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,22}$/);
const offload: fc.Arbitrary<Offload> = fc.record({
  model: digest,
  session: uint32,
  sample: uint32,
  deadline: fc.maxSafeNat(),
  attempt: fc.integer({ min: 1, max: 0xffffffff }),
  label: fc.integer({ min: 0, max: 999 }),
  entropy: fc.integer({ min: 0, max: 1 << 20 }),
  payload: fc.uint8Array({ maxLength: 600 }),
});
const result: fc.Arbitrary<Result> = fc.record({
  model: digest,
  session: uint32,
  sample: uint32,
  state: fc.constantFrom(...RESULT_STATES),
  label: fc.integer({ min: 0, max: 999 }),
  confidence: fc.double({ min: 0, max: 1, noNaN: true }).map((x) => x + 0),
  worker: name,
  ms: uint32,
});
const deadLetter: fc.Arbitrary<DeadLetter> = fc.record({
  reason: fc.constantFrom(...DEAD_REASONS),
  sentence: fc.stringMatching(/^[ -~]{0,300}$/),
  device: fc.oneof(name, fc.constant("")),
  size: uint32,
  head: fc.uint8Array({ maxLength: 64 }),
});

const example: Offload = {
  model: "ab".repeat(32),
  session: 7,
  sample: 1,
  deadline: 1_800_000_000_000,
  attempt: 1,
  label: 3,
  entropy: 65_536,
  payload: new Uint8Array([1, 2, 3]),
};
/** The example's items, with some replaced. */
const items = (changes: Record<number, unknown> = {}): unknown[] =>
  Object.assign(packr.unpack(encodeOffload(example)) as unknown[], changes);

describe("frames", () => {
  it("come back as they were sent", () => {
    fc.assert(
      fc.property(offload, (o) => {
        expect(decodeOffload(encodeOffload(o))).toEqual(norm(o));
      }),
    );
    fc.assert(
      fc.property(result, (r) => {
        expect(decodeResult(encodeResult(r))).toEqual(r);
      }),
    );
    fc.assert(
      fc.property(deadLetter, (d) => {
        expect(decodeDeadLetter(encodeDeadLetter(d))).toEqual(norm(d));
      }),
    );
  });

  it("accept the integers of a C peer: uint 64 for the deadline", () => {
    const head = pack(items().slice(0, 5)).subarray(1);
    const deadline = Buffer.alloc(9);
    deadline[0] = 0xcf;
    deadline.writeBigUInt64BE(1_800_000_000_000n, 1);
    const tail = pack(items().slice(6)).subarray(1);
    expect(decodeOffload(Buffer.concat([Buffer.from([0x9a]), head, deadline, tail]))).toMatchObject({
      deadline: 1_800_000_000_000,
    });
  });

  it("refuse anything else with a FrameError: random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        for (const decode of decoders) expect(() => decode(bytes)).toThrow(FrameError);
      }),
    );
  });

  it("refuse anything else with a FrameError: any msgpack value", () => {
    fc.assert(
      fc.property(fc.anything({ withTypedArray: true, withDate: true, withSparseArray: true }), (value) => {
        let frame: Uint8Array;
        try {
          frame = pack(value);
        } catch {
          return; // not every value can be written
        }
        for (const decode of decoders) expect(() => decode(frame)).toThrow(FrameError);
      }),
    );
  });

  it("survive any damage to a good frame: they still decode, or a FrameError says why", () => {
    const damage = fc.record({ o: offload, at: fc.nat(), to: fc.integer({ min: 0, max: 255 }), cut: fc.nat() });
    let refused = 0;
    fc.assert(
      fc.property(damage, ({ o, at, to, cut }) => {
        const good = encodeOffload(o);
        const bad = good.slice(0, cut % 3 === 0 ? cut % good.length : good.length);
        if (bad.length > 0) bad[at % bad.length] = to;
        try {
          decodeOffload(bad);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
          refused++;
        }
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it("refuse 60 KB of nested arrays before a decoder sees them", () => {
    const nested = new Uint8Array(60_000).fill(0x91);
    nested[nested.length - 1] = 0xc0;
    for (const decode of decoders) expect(() => decode(nested)).toThrow(FrameError);
    const wide = Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, ...new Array(100).fill(0)]);
    for (const decode of decoders) expect(() => decode(wide)).toThrow(/array/);
  });

  it("refuse what is too large by its size alone", () => {
    const large = encodeOffload({ ...example, payload: new Uint8Array(FRAME_LIMITS.offload) });
    expect(() => decodeOffload(large)).toThrow(`has ${large.length} bytes where at most ${FRAME_LIMITS.offload}`);
  });

  it.each([
    ["a later version", items({ 0: 2 }), "version 2 where 1"],
    ["another type", items({ 1: 2 }), "type 2 where 1"],
    ["too few items", items().slice(0, 9), "9 items where 10"],
    ["too many items", [...items(), 1], "11 items where 10"],
    ["a short digest", items({ 2: new Uint8Array(31) }), "no 32 bytes"],
    ["a digest as text", items({ 2: "ab".repeat(16) }), "no 32 bytes"],
    ["a negative session", items({ 3: -1 }), "the session"],
    ["a fraction", items({ 4: 1.5 }), "the sample"],
    ["NaN", items({ 5: Number.NaN }), "the deadline"],
    ["infinity", items({ 5: Number.POSITIVE_INFINITY }), "the deadline"],
    ["attempt 0", items({ 6: 0 }), "the attempt"],
    ["a label beyond the classes", items({ 7: 1000 }), "the label"],
    ["an entropy that no softmax has", items({ 8: 2 ** 21 }), "the entropy"],
    ["no payload", items({ 9: null }), "item 9"],
    ["a map", items({ 9: { a: 1 } }), "item 9"],
    ["a nested array", items({ 9: [1] }), "item 9"],
    ["a date, which is an extension", items({ 9: new Date(0) }), "item 9"],
  ])("name the flaw: %s", (_, value, flaw) => {
    expect(() => decodeOffload(pack(value))).toThrow(flaw);
  });

  it("hold the parts of a result to their ranges", () => {
    const good: Result = {
      model: "cd".repeat(32),
      session: 1,
      sample: 2,
      state: "answered",
      label: 1,
      confidence: 0.5,
      worker: "w",
      ms: 3,
    };
    const values = packr.unpack(encodeResult(good)) as unknown[];
    for (const [at, value, flaw] of [
      [5, 3, "the state"],
      [7, Number.NaN, "the confidence"],
      [7, 1.0001, "the confidence"],
      [7, "0.5", "the confidence"],
      [8, "a/b", "the worker"],
      [8, "\u001b[2J", "the worker"],
    ] as const) {
      expect(() => decodeResult(pack(values.map((old, i) => (i === at ? value : old))))).toThrow(flaw);
    }
  });

  it("carry no control codes in a dead letter's sentence", () => {
    const letter: DeadLetter = {
      reason: "frame",
      sentence: `\u001b[2Jü${"x".repeat(400)}`,
      device: "d",
      size: 1,
      head: new Uint8Array(100),
    };
    const read = decodeDeadLetter(encodeDeadLetter(letter));
    expect(read.sentence).toMatch(/^\?\[2J\?x+$/);
    expect(read.sentence).toHaveLength(300);
    expect(read.head).toHaveLength(64);
  });
});

/** Bytes compare as Uint8Array, whatever class carries them. */
function norm<T extends object>(value: T): T {
  const entries = Object.entries(value).map(([k, v]) => [k, v instanceof Uint8Array ? Buffer.from(v) : v]);
  return Object.fromEntries(entries) as T;
}
