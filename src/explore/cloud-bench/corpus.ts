/** Messages that no device of ours sends: each is refused by a dead letter, and the worker lives on. */

import { binary, packFrame } from "../../wire/fields.ts";
import { encodeOffload, FRAME_LIMITS, type Offload } from "../../wire/frames.ts";
import { offloadTopic } from "../../wire/topics.ts";
import { randomFrom } from "../../zoo/random.ts";

export interface HostileMessage {
  /** What is wrong with it. */
  readonly what: string;
  readonly topic: string;
  readonly message: Uint8Array;
}

/** Variants of the fields of an Offload frame behind version and type: where, what, and the value in its place. */
const WRONG_FIELDS: readonly (readonly [at: number, what: string, value: unknown])[] = [
  [0, "a digest of no bytes", Buffer.alloc(0)],
  [0, "a digest of 33 bytes", Buffer.alloc(33)],
  [0, "a digest as text", "0".repeat(64)],
  [0, "the digest of no model", Buffer.alloc(32, 0xee)],
  [1, "a session below zero", -1],
  [1, "a session of 2^64 - 1", 2n ** 64n - 1n],
  [1, "a session that is NaN", Number.NaN],
  [2, "a sample of 2^32", 2 ** 32],
  [2, "a sample with a fraction", 0.5],
  [2, "a sample as text", "__proto__"],
  [3, "a deadline that is NaN", Number.NaN],
  [3, "an infinite deadline", Number.POSITIVE_INFINITY],
  [3, "a deadline of 2^63", 2n ** 63n],
  [3, "a deadline below zero", -(2 ** 40)],
  [3, "no deadline", null],
  [4, "attempt 0", 0],
  [4, "a boolean attempt", true],
  [5, "label 1000", 1_000],
  [5, "a label below zero", -1],
  [6, "an entropy that is NaN", Number.NaN],
  [6, "an entropy of 2^53", 2 ** 53],
  [7, "a payload as text", "payload"],
  [7, "a payload as a number", 7],
  [7, "no payload", Buffer.alloc(0)],
  [7, "a payload of one byte", Buffer.alloc(1)],
];

/** Nesting and kinds of msgpack that a frame may not have, in place of the whole frame or of its payload. */
const SHAPES: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["nothing", Uint8Array.of()],
  ["arrays in arrays, 60 KB of them", new Uint8Array(60_000).fill(0x91)],
  ["arrays of 15 in arrays, 60 KB of them", new Uint8Array(60_000).fill(0x9f)],
  ["maps in maps, 60 KB of them", new Uint8Array(60_000).fill(0x81)],
  ["an array that says 2^32 - 1 items", Uint8Array.of(0xdd, 255, 255, 255, 255)],
  ["an array that says 65535 items", Uint8Array.of(0xdc, 255, 255)],
  ["bytes that say 2^32 - 1", Uint8Array.of(0x91, 0xc6, 255, 255, 255, 255)],
  ["a text that says 2^32 - 1", Uint8Array.of(0x91, 0xdb, 255, 255, 255, 255)],
  ["an extension that says 2^32 - 1", Uint8Array.of(0x91, 0xc9, 255, 255, 255, 255, 1)],
  ["the map {__proto__: {polluted: 1}}", mapOf("__proto__", mapOf("polluted", Uint8Array.of(1)))],
  ["the map {toString: 1}", mapOf("toString", Uint8Array.of(1))],
  ["a date", Uint8Array.of(0x91, 0xd6, 0xff, 0, 0, 0, 0)],
  ["an extension of type 0x73 (a set in some codecs)", Uint8Array.of(0x91, 0xd4, 0x73, 0)],
  ["an extension of type 0x65 (an error in some codecs)", Uint8Array.of(0x91, 0xd5, 0x65, 0x90, 0x90)],
  ["an extension of type 0x72 (a record in some codecs)", Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1)],
  ["0xc1, which msgpack never uses", new Uint8Array(64).fill(0xc1)],
  ["JSON", Buffer.from('{"version":1,"type":1}')],
  ["text that is no UTF-8", Uint8Array.of(0x91, 0xa4, 0xff, 0xfe, 0xc0, 0x80)],
  ["zeros", new Uint8Array(FRAME_LIMITS.offload)],
  ["one byte more than an offload may have", new Uint8Array(FRAME_LIMITS.offload + 1).fill(0x90)],
  ["200 KB", new Uint8Array(200_000).fill(0xc4)],
];

const FIELDS = 8;

function mapOf(key: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x81, 0xa0 + key.length), Buffer.from(key), value]);
}

function fieldsOf(o: Offload): unknown[] {
  const digest = Buffer.from(o.model, "hex");
  return [digest, o.session, o.sample, o.deadline, o.attempt, o.label, o.entropy, binary(o.payload)];
}

/** The corpus around a frame that a worker would answer. */
export function hostileCorpus(valid: Offload, device: string): HostileMessage[] {
  const fields = fieldsOf(valid);
  const frame = encodeOffload(valid);
  const topic = offloadTopic(device);
  const hostile = (what: string, message: Uint8Array): HostileMessage => ({ what, topic, message });
  return [
    ...SHAPES.map(([what, bytes]) => hostile(what, bytes)),
    ...SHAPES.map(([what, bytes]) => hostile(`${what}, as the payload's item`, nested(frame, valid, bytes))),
    ...WRONG_FIELDS.map(([at, what, value]) => hostile(what, packFrame("offload", fields.with(at, value)))),
    ...Array.from({ length: FIELDS }, (_, items) =>
      hostile(`${items + 2} items`, packFrame("offload", fields.slice(0, items))),
    ),
    hostile("an item too many", packFrame("offload", [...fields, 0])),
    hostile("a result in place of an offload", packFrame("result", fields)),
    hostile("version 2", Uint8Array.from(frame).with(1, 2)),
    hostile("two frames in one", Buffer.concat([frame, frame])),
    hostile("a byte behind the frame", Buffer.concat([frame, Uint8Array.of(0)])),
    ...truncations(frame, valid.payload.length).map((length) =>
      hostile(`cut to ${length} bytes`, frame.subarray(0, length)),
    ),
    ...foreignTopics(device).map((other) => ({
      what: `the topic ${other.slice(0, 40)}`,
      topic: other,
      message: frame,
    })),
  ];
}

/** The frame with something else in the place of its last item. */
function nested(frame: Uint8Array, { payload }: Offload, item: Uint8Array): Uint8Array {
  const header = payload.length < 256 ? 2 : 3;
  return Buffer.concat([frame.subarray(0, frame.length - payload.length - header), item]);
}

/** Every length within the head, and some within the payload. */
function truncations(frame: Uint8Array, payload: number): number[] {
  const head = frame.length - payload;
  const tail = Array.from({ length: 16 }, (_, k) => head + Math.floor((payload * k) / 16));
  return [...Array.from({ length: head }, (_, length) => length), ...tail, frame.length - 1];
}

/** Topics that workers' filters match, but that name no device. */
function foreignTopics(device: string): string[] {
  const names = ["", " ", "-", "..", "%2e%2e", "__proto__", "a".repeat(24), "x".repeat(60_000), "ü", "\u{1f994}"];
  return [...names, `${device} `, `${device}\u200b`].map((name) => `hedge/v1/${name}/offload`);
}

/**
 * Endless damage, the same from the same seed: bits flipped, bytes replaced, parts cut out, doubled, or exchanged for headers that mean
 * something.
 */
export function* fuzz(valid: Offload, device: string, seed: number): Generator<HostileMessage> {
  const random = randomFrom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const frame = encodeOffload(valid);
  const topic = offloadTopic(device);
  const head = frame.length - valid.payload.length;
  // Nearly all of a frame is payload, where any byte is as good as another.
  const place = (length: number) => (random() < 0.9 ? below(Math.min(head, length)) : below(length));
  for (;;) {
    let bytes = Uint8Array.from(frame);
    for (let damage = 1 + below(4); damage > 0 && bytes.length > 0; damage--) {
      const at = place(bytes.length);
      const kind = below(5);
      if (kind === 0) bytes[at]! ^= 1 << below(8);
      else if (kind === 1) bytes[at] = below(256);
      else if (kind === 2) bytes[at] = 0xc0 + below(0x20);
      else if (kind === 3) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(16))]);
      else bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(place(bytes.length))]);
    }
    yield { what: `damage of seed ${seed}`, topic, message: bytes };
  }
}
