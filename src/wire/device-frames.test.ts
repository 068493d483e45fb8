import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import {
  ANSWER_SOURCES,
  type Answer,
  type Command,
  DESCRIPTION_COUNTS,
  DESCRIPTION_MEMORY,
  type Description,
  type DeviceEvent,
  decodeAnswer,
  decodeCommand,
  decodeDescription,
  decodeEvent,
  EVENT_CODES,
  encodeAnswer,
  encodeCommand,
  encodeDescription,
  encodeEvent,
  OPERATIONS,
  RESET_CAUSES,
} from "./device-frames.ts";
import { FRAME_LIMITS, FRAME_TYPES, FrameError, kindOf } from "./fields.ts";

const packr = new Packr({ useRecords: false });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const name = fc.stringMatching(/^[ -~]{0,31}$/);
const label = fc.integer({ min: -1, max: 999 });

const command: fc.Arbitrary<Command> = fc.record({
  request: fc.integer({ min: 1, max: 0xffffffff }),
  operation: fc.constantFrom(...OPERATIONS),
  number: uint32,
  check: uint32,
  data: fc.uint8Array({ maxLength: 700 }),
});
const answer: fc.Arbitrary<Answer> = fc.record({
  request: uint32,
  source: fc.constantFrom(...ANSWER_SOURCES),
  label,
  edgeLabel: label,
  entropy: uint32,
  attempts: uint32,
  micros: uint32,
  check: uint32,
});
const event: fc.Arbitrary<DeviceEvent> = fc.record({
  request: uint32,
  code: uint32,
  number: uint32,
  sentence: fc.stringMatching(/^[ -~]{0,120}$/),
});
const numbers = <Name extends string>(names: readonly Name[]) =>
  fc
    .array(uint32, { minLength: names.length, maxLength: names.length })
    .map((values) => Object.fromEntries(names.map((each, i) => [each, values[i]])) as Record<Name, number>);
const description: fc.Arbitrary<Description> = fc.record({
  request: uint32,
  device: name,
  board: name,
  firmware: name,
  model: fc.option(fc.record({ name, digest, counter: uint32, slot: fc.constantFrom(0, 1), trial: fc.boolean() }), {
    nil: undefined,
  }),
  uptimeSeconds: uint32,
  resetCause: fc.constantFrom(...RESET_CAUSES),
  counts: numbers(DESCRIPTION_COUNTS),
  memory: numbers(DESCRIPTION_MEMORY),
});

/** Kinds with what makes, writes and reads them. */
const KINDS = [
  ["command", command, encodeCommand, decodeCommand],
  ["answer", answer, encodeAnswer, decodeAnswer],
  ["event", event, encodeEvent, decodeEvent],
  ["description", description, encodeDescription, decodeDescription],
] as const;
type Any = fc.Arbitrary<never>;

describe.each(KINDS)("%s frames", (kind, arbitrary, encode, decode) => {
  it("come back as they were sent, and say what they are", () => {
    fc.assert(
      fc.property(arbitrary as Any, (value) => {
        const frame = encode(value);
        const { data, ...rest } = decode(frame) as Command;
        const { data: sent, ...others } = value as Command;
        expect(rest).toEqual(others);
        if (sent !== undefined) expect(Buffer.compare(data, sent)).toBe(0);
        expect(kindOf(frame)).toBe(kind);
        expect(frame.length).toBeLessThanOrEqual(FRAME_LIMITS[kind]);
      }),
    );
  });

  it("refuse anything else with a FrameError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(() => decode(bytes)).toThrow(FrameError);
      }),
    );
    expect(() => decode(new Uint8Array(FRAME_LIMITS[kind] + 1))).toThrow("bytes where at most");
    for (const [other, its, write] of KINDS) {
      if (other === kind) continue;
      const [frame] = fc.sample(its as Any, 1).map((value) => write(value));
      expect(() => decode(frame!)).toThrow("has type");
    }
  });

  it("survive any damage to a good frame: they still decode, or a FrameError says why", () => {
    let refused = 0;
    fc.assert(
      fc.property(arbitrary as Any, fc.nat(), fc.integer({ min: 0, max: 255 }), (value, at, to) => {
        const frame = encode(value).slice();
        frame[at % frame.length] = to;
        try {
          decode(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
          refused++;
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(10);
  });

  it("refuse every item of another type, a missing one and one more", () => {
    const [value] = fc.sample(arbitrary as Any, 1);
    const items = packr.unpack(encode(value!)) as unknown[];
    for (let i = 0; i < items.length; i++) {
      const wrong = [...items];
      wrong[i] = typeof items[i] === "number" ? "1" : 1;
      expect(() => decode(packr.pack(wrong)), `item ${i}`).toThrow(FrameError);
    }
    expect(() => decode(packr.pack(items.slice(0, -1)))).toThrow(FrameError);
    expect(() => decode(packr.pack([...items, 0]))).toThrow("items where");
  });
});

describe("numbers", () => {
  const core = join(import.meta.dirname, "../../firmware-wasm/core");
  /** The enumerators of a type, without what they share, by their numbers. */
  const enumerators = (file: string, type: string, prefix: string) => {
    const text = readFileSync(join(core, file), "utf8").replace(/\/\*.*?\*\//gs, "");
    const [, body] = new RegExp(`typedef enum \\{([^}]*)\\} ${type};`).exec(text) ?? [];
    const values: Record<string, number> = {};
    let next = 0;
    for (const [, name, value] of body!.matchAll(/(\w+)(?:\s*=\s*(\d+))?\s*(?:,|$)/g)) {
      next = value === undefined ? next : Number(value);
      values[name!.replace(prefix, "")] = next++;
    }
    return values;
  };
  const constant = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  const listed = (names: readonly string[]) => Object.fromEntries(names.map((name, i) => [constant(name), i]));

  it("are those of the firmware's headers", () => {
    const { slotTrapped, ...codes } = EVENT_CODES;
    const { TRAPPED, ...verdicts } = enumerators("slot.h", "hedge_slot_verdict", "HEDGE_SLOT_");
    expect(TRAPPED).toBe(slotTrapped);
    expect(Object.fromEntries(Object.entries(codes).map(([name, code]) => [constant(name), code]))).toEqual({
      ...verdicts,
      ...enumerators("frames.h", "hedge_event_code", "HEDGE_EVENT_"),
    });
    const { dead, ...types } = FRAME_TYPES;
    expect(Object.fromEntries(Object.entries(types).map(([name, type]) => [constant(name), type]))).toEqual(
      enumerators("frames.h", "hedge_frame_type", "HEDGE_FRAME_"),
    );
    expect(Object.values(types)).not.toContain(dead);
    expect(listed(OPERATIONS)).toEqual(enumerators("frames.h", "hedge_operation", "HEDGE_"));
    const [edge, cloud, fallback, none] = ANSWER_SOURCES.keys();
    expect({ BY_EDGE: edge, BY_CLOUD: cloud, BY_FALLBACK: fallback, NOT_TAKEN: none }).toEqual(
      enumerators("frames.h", "hedge_answer_source", "HEDGE_"),
    );
  });
});

describe("the texts of frames", () => {
  it("hold nothing that steers a terminal, whatever was put into them", () => {
    const frame = encodeEvent({ request: 0, code: 1, number: 2, sentence: `\x1b[2J${"é".repeat(200)}` });
    expect(decodeEvent(frame).sentence).toBe(`?[2J${"?".repeat(116)}`);
    const steering = packr.pack([1, 6, 0, 1, 2, "\x1b[2J"]);
    expect(() => decodeEvent(steering)).toThrow("plain text");
  });
});
