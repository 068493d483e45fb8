import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answer, description } from "../../test/history/records.ts";
import { HedgeError } from "../errors.ts";
import { encodeAnswer, encodeDescription, encodeEvent } from "../wire/device-frames.ts";
import { encodeDeadLetter } from "../wire/frames.ts";
import { answerTopic, DEAD_TOPIC, eventTopic, offloadTopic, statusTopic } from "../wire/topics.ts";
import { recordOf } from "./recorder.ts";
import { rowsOf } from "./records.ts";

const FRAMES = [
  encodeAnswer(answer()),
  encodeEvent({ request: 0, code: 100, number: 1, sentence: "up" }),
  encodeDescription(description()),
  encodeDeadLetter({ reason: "frame", sentence: "no", device: "porch", size: 1, head: new Uint8Array() }),
  Buffer.from("online"),
];
const TOPICS = [answerTopic("porch"), eventTopic("porch"), statusTopic("porch"), DEAD_TOPIC];

describe("a message from the broker", () => {
  it("is taken for what its topic and its frame say", () => {
    expect(recordOf(answerTopic("porch"), FRAMES[0]!, false, 1)).toEqual({
      kind: "answer",
      at: 1,
      device: "porch",
      answer: answer(),
    });
    expect(recordOf(eventTopic("porch"), FRAMES[1]!, false, 1)).toMatchObject({ kind: "event", event: { number: 1 } });
    expect(recordOf(eventTopic("porch"), FRAMES[2]!, false, 1)).toMatchObject({ kind: "description", device: "porch" });
    expect(recordOf(DEAD_TOPIC, FRAMES[3]!, false, 1)).toMatchObject({ kind: "dead", letter: { device: "porch" } });
    expect(recordOf(statusTopic("porch"), FRAMES[4]!, true, 1)).toMatchObject({
      kind: "status",
      online: true,
      changed: false,
    });
  });

  it.each([
    ["an answer that the broker kept", answerTopic("porch"), FRAMES[0]!, true],
    ["a frame under another kind's topic", answerTopic("porch"), FRAMES[1]!, false],
    ["a topic that is no place for it", offloadTopic("porch"), FRAMES[0]!, false],
    ["a name that is none", answerTopic("a b"), FRAMES[0]!, false],
    ["a status that is none", statusTopic("porch"), Buffer.from("perhaps"), false],
    ["a long status", statusTopic("porch"), Buffer.alloc(1 << 20, "online"), false],
    [
      "a dead letter of a device that is none",
      DEAD_TOPIC,
      encodeDeadLetter({ reason: "frame", sentence: "", device: "../..", size: 1, head: new Uint8Array() }),
      false,
    ],
  ])("is refused: %s", (_, topic, message, retained) => {
    expect(() => recordOf(topic, message, retained, 1)).toThrow(HedgeError);
  });

  it("of whatever bytes becomes a record of known rows, or is refused in words", () => {
    const damaged = fc
      .tuple(fc.constantFrom(...FRAMES), fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([frame, at, byte]) => Uint8Array.from(frame).fill(byte, at % frame.length, (at % frame.length) + 1));
    const bytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 600 }), fc.constantFrom(...FRAMES));
    const topic = fc.oneof(fc.constantFrom(...TOPICS), fc.string(), fc.string().map(answerTopic));
    fc.assert(
      fc.property(topic, bytes, fc.boolean(), (topic, message, retained) => {
        try {
          for (const rows of Object.values(rowsOf([recordOf(topic, message, retained, 1)]))) JSON.stringify(rows);
        } catch (error) {
          expect(error).toBeInstanceOf(HedgeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
