/** Frames and configurations, held to what TypeScript writes and reads, damaged ones included. In C under ASan and UBSan. */
import fc from "fast-check";
import { Packr } from "msgpackr";
import { beforeAll, describe, expect, it } from "vitest";
import { type DeviceConfigInput, decodeConfig, encodeConfig } from "../../src/slot/device-config.ts";
import {
  ANSWER_SOURCES,
  decodeAnswer,
  decodeCommand,
  decodeDescription,
  decodeEvent,
  encodeCommand,
  OPERATIONS,
} from "../../src/wire/device-frames.ts";
import { decodeOffload, decodeResult, encodeResult, RESULT_STATES } from "../../src/wire/frames.ts";
import { runProgram, testProgram } from "../support/firmware.ts";

let program: string;
beforeAll(async () => {
  program = await testProgram("frames_test");
});

/** One answer per line. */
async function ask(lines: readonly string[]): Promise<string[]> {
  const answers = await runProgram(program, [], `${lines.join("\n")}\n`);
  expect(answers).toHaveLength(lines.length);
  return answers;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
/** Empty texts have to be words, too. */
const word = (text: string) => (text === "" ? "-" : text);

/** What decoding says: the fields as the program prints them, or "refused". */
function said(decode: () => readonly unknown[]): string {
  try {
    return decode().map(String).map(word).join(" ");
  } catch {
    return "refused";
  }
}

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hex);
const result = fc
  .record({
    model: digest,
    session: uint32,
    sample: uint32,
    state: fc.constantFrom(...RESULT_STATES),
    label: fc.integer({ min: 0, max: 999 }),
    confidence: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, -0, 1)),
    worker: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,22}$/),
    ms: uint32,
  })
  .map(encodeResult);
const command = fc
  .record({
    request: fc.integer({ min: 1, max: 0xffffffff }),
    operation: fc.constantFrom(...OPERATIONS),
    number: uint32,
    check: uint32,
    data: fc.uint8Array({ maxLength: 700 }),
  })
  .map(encodeCommand);
/** What is likely to be in a frame, and what is not: numbers in every form, texts, bytes, and what frames do not have. */
const anyItem = fc.oneof(
  uint32,
  fc.double(),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: 0n }),
  fc.constantFrom(1, 2, 4, -1, 0.5, 4294967296, null, true),
  fc.string({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }).map(Buffer.from),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(Buffer.from),
);
const packr = new Packr({ useRecords: false });
const unpackr = new Packr({ useRecords: false, int64AsType: "number", copyBuffers: true });

/** A good frame with an item replaced, a byte changed, or an end that is missing or too much. */
const damaged = (frames: fc.Arbitrary<Uint8Array>) =>
  fc.oneof(
    fc.tuple(frames, fc.nat(), anyItem).map(([frame, at, item]) => {
      const items = unpackr.unpack(frame) as unknown[];
      items[at % items.length] = item;
      return new Uint8Array(packr.pack(items));
    }),
    fc.tuple(frames, fc.nat(), fc.nat(255)).map(([frame, at, byte]) => {
      const changed = Uint8Array.from(frame);
      changed[at % changed.length] = byte;
      return changed;
    }),
    fc.tuple(frames, fc.nat()).map(([frame, at]) => frame.slice(0, at % frame.length)),
    frames.map((frame) => Uint8Array.of(...frame, 0)),
  );

const resultFields = (frame: Uint8Array) => {
  const r = decodeResult(frame);
  return [r.session, r.sample, RESULT_STATES.indexOf(r.state), r.label, r.model];
};
const commandFields = (frame: Uint8Array) => {
  const c = decodeCommand(frame);
  return [c.request, OPERATIONS.indexOf(c.operation), c.number, c.check, hex(c.data)];
};

describe("frames that the device reads", () => {
  it.each([
    ["result", result, resultFields],
    ["command", command, commandFields],
  ] as const)("%s: the same fields, or the same refusal", async (kind, good, fieldsOf) => {
    const frames = [...fc.sample(good, 500), ...fc.sample(damaged(good), 5000)];
    const expected = frames.map((frame) => said(() => fieldsOf(frame)));
    expect(expected.slice(0, 500)).not.toContain("refused");
    expect(expected.filter((text) => text === "refused").length).toBeGreaterThan(1500);
    const answers = await ask(frames.map((frame) => `${kind} ${hex(frame)}`));
    for (const [i, answer] of answers.entries())
      expect(`${hex(frames[i]!)} ${answer}`).toBe(`${hex(frames[i]!)} ${expected[i]}`);
  });

  it("whole numbers in every form that holds them exactly", async () => {
    const forms = ["07", "cc07", "cd0007", "ce00000007", "cf0000000000000007", "d007", "d10007", "d200000007"];
    forms.push("d30000000000000007", "ca40e00000", "cb401c000000000000");
    const lines = forms.map((form) => `command 970104${form}00${form}${form}c400`);
    expect(await ask(lines)).toEqual(forms.map(() => "7 0 7 7 -"));
    const wrong = ["ff", "d0ff", "ca40e00001", "cbc01c000000000000", "cb7ff0000000000000", "cb7ff8000000000000"];
    wrong.push("cf0000000100000000", "cb41f0000000000000", "ca7f800000", "a137", "c40107", "c0", "c3", "9107", "8107");
    expect(await ask(wrong.map((form) => `command 970104${form}000000c400`))).toEqual(wrong.map(() => "refused"));
  });
});

describe("frames that the device writes", () => {
  it("offload", async () => {
    const offload = fc.record({
      session: uint32,
      sample: uint32,
      deadline: fc.maxSafeNat(),
      attempt: fc.integer({ min: 1, max: 0xffffffff }),
      label: fc.integer({ min: 0, max: 999 }),
      entropy: fc.integer({ min: 0, max: 1 << 20 }),
      model: digest,
      payload: fc.uint8Array({ minLength: 1, maxLength: 2048 }),
    });
    const samples = fc.sample(offload, 300);
    const lines = samples.map((o) => `offload ${Object.values({ ...o, payload: hex(o.payload) }).join(" ")}`);
    for (const [i, frame] of (await ask(lines)).entries()) expect(decodeOffload(bytes(frame))).toEqual(samples[i]);
  });

  it("answer, event and description", async () => {
    const numbers = fc.sample(fc.array(uint32, { minLength: 8, maxLength: 8 }), 200);
    for (const row of numbers) row[1]! %= ANSWER_SOURCES.length;
    const answers = await ask(numbers.map((row) => `answer ${row.join(" ")}`));
    for (const [i, frame] of answers.entries()) {
      const [request, source, label, edgeLabel, entropy, attempts, micros, check] = numbers[i] as number[];
      expect(decodeAnswer(bytes(frame))).toEqual({
        request,
        source: ANSWER_SOURCES[source!],
        label: label! | 0,
        edgeLabel: edgeLabel! | 0,
        entropy,
        attempts,
        micros,
        check,
      });
    }

    const sentence = "damaged: its hash differs";
    const [event] = await ask([`event 1 6 4294967295 ${sentence}`]);
    expect(decodeEvent(bytes(event!))).toEqual({ request: 1, code: 6, number: 0xffffffff, sentence });

    const many = [7, 1, 1, 50, 2, ...Array.from({ length: 17 }, (_, i) => i * 250_000_000)];
    const [some, none] = await ask([
      `description 9 ${"ab".repeat(32)} ${many.join(" ")}`,
      `description 9 - ${many.map((n) => (n === 1 || n === 7 ? 0 : n)).join(" ")}`,
    ]);
    expect(decodeDescription(bytes(some!))).toMatchObject({
      request: 9,
      device: "porch",
      board: "host",
      firmware: "1.2.3",
      model: { name: "tiny", digest: "ab".repeat(32), counter: 7, slot: 1, trial: true },
      uptimeSeconds: 50,
      resetCause: "watchdog",
      counts: { samples: 0, exited: 250_000_000, reconnects: 2_500_000_000 },
      memory: { heapPeak: 2_750_000_000, ramBytes: 4_000_000_000 },
    });
    expect(decodeDescription(bytes(none!)).model).toBeUndefined();
  });
});

describe("the configuration", () => {
  const point = Uint8Array.from({ length: 65 }, (_, i) => (i === 0 ? 4 : i));
  const full: DeviceConfigInput = {
    id: "porch-1",
    transport: "mqtt",
    broker: "broker.example.org",
    brokerPort: 8883,
    tls: true,
    ca: new Uint8Array(700),
    certificate: new Uint8Array(600),
    key: new Uint8Array(121),
    timeServer: "10.0.2.2",
    timePort: 1123,
    signers: [point, point],
    deadlineMs: 1,
    retryFirstMs: 2,
    retryLongestMs: 3,
    confirmMs: 86_400_000,
  };

  it("has the fields that were written", async () => {
    const least: DeviceConfigInput = { id: "a", transport: "uart", signers: [] };
    const areas = [full, least].map((config) => Buffer.concat([encodeConfig(config, 4096), Buffer.alloc(50, 0xff)]));
    expect(await ask(areas.map((area) => `config ${hex(area)}`))).toEqual([
      "porch-1 1 broker.example.org 8883 1 700 600 121 10.0.2.2 1123 65 65 1 2 3 86400000",
      "a 0 - 1883 0 0 0 0 - 123 0 0 10000 500 8000 60000",
    ]);
  });

  it("is refused where TypeScript refuses it: damaged, cut off, or out of range", async () => {
    const good = encodeConfig({ ...full, ca: point, certificate: point, key: point }, 4096);
    const flipped = fc.sample(fc.tuple(fc.nat(good.length - 1), fc.nat(7)), 400).map(([at, bit]) => {
      const area = Uint8Array.from(good);
      area[at]! ^= 1 << bit;
      return area;
    });
    const areas = [...flipped, ...Array.from({ length: good.length }, (_, length) => good.slice(0, length))];
    expect(areas.filter((area) => said(() => [decodeConfig(area, "it").id]) !== "refused")).toEqual([]);
    const answers = await ask(areas.map((area) => `config ${hex(area)}`));
    expect(answers.filter((answer) => answer !== "refused")).toEqual([]);
  });
});
