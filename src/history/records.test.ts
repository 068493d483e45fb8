import { expect, it } from "vitest";
import { deadRecord } from "./records.ts";

it("a dead letter's record does not keep the message that it is about", () => {
  const message = Buffer.alloc(60_000, 7);
  const letter = {
    reason: "frame",
    sentence: "",
    device: "",
    size: message.length,
    head: message.subarray(0, 100),
  } as const;
  const record = deadRecord(letter, 1);
  if (record.kind !== "dead") return expect.unreachable();
  expect(record.letter.head).toEqual(new Uint8Array(64).fill(7));
  expect(record.letter.head.buffer.byteLength).toBe(64);
});
