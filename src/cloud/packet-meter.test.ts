import fc from "fast-check";
import { expect, it } from "vitest";
import { PacketMeter } from "./packet-meter.ts";

/** A packet of a type with a body of zeros: its length in as few bytes as it takes. */
function packet(length: number): Buffer {
  const head = [0x30];
  for (let rest = length; ; ) {
    head.push(rest < 128 ? rest : (rest & 127) | 128);
    rest = Math.floor(rest / 128);
    if (rest === 0) break;
  }
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length)]);
}

/** Whether the meter takes the stream, cut into pieces. */
function takes(stream: Buffer, pieces: readonly number[], limit: number): boolean {
  const meter = new PacketMeter(limit);
  let at = 0;
  for (const size of [...pieces, stream.length]) {
    if (!meter.take(stream.subarray(at, at + size))) return false;
    at += size;
  }
  return true;
}

const LENGTHS = fc.array(fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384), fc.nat(20_000)), { maxLength: 6 });
const PIECES = fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 40 });

it("takes packets up to its limit, however they are cut, and none beyond", () => {
  fc.assert(
    fc.property(LENGTHS, PIECES, fc.integer({ min: 0, max: 20_000 }), (lengths, pieces, limit) => {
      const stream = Buffer.concat(lengths.map(packet));
      expect(takes(stream, pieces, limit)).toBe(lengths.every((length) => length <= limit));
    }),
  );
});

it("refuses a packet at its head, and a length that does not end", () => {
  expect(new PacketMeter(70_000).take(Buffer.from([0x30, 0xff, 0xff, 0x7f]))).toBe(false);
  expect(new PacketMeter(2 ** 30).take(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]))).toBe(false);
});
