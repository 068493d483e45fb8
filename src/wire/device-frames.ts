/**
 * What a device and whoever operates it say to each other: commands to it, answers, events and descriptions from it, as docs/wire.md lays
 * them out. The C peer is firmware-wasm/core/frames.h.
 */
import { binary, bytesOf, type Fields, hex, openFrame, packFrame, plain, UINT32 } from "./fields.ts";

/** What a device can be asked, by number. */
export const OPERATIONS = [
  "describe",
  "sample",
  "update",
  "chunk",
  "install",
  "confirm",
  "revert",
  "restart",
  "threshold",
] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Command {
  /** Chosen by who asks; comes back with the reply. 1 or more. */
  readonly request: number;
  readonly operation: Operation;
  /** chunk: offset behind the slot's header. threshold: 2^-16 nats. 0 elsewhere. */
  readonly number: number;
  /** chunk: CRC-32 of the data. 0 elsewhere. */
  readonly check: number;
  /** sample: the input's bytes. update: the slot's header. chunk: a part of what follows it. */
  readonly data: Uint8Array;
}

/** Who gave the label, by number. fallback: the exit's, since the cloud gave none in time. notTaken: nobody; an event says why. */
export const ANSWER_SOURCES = ["edge", "cloud", "fallback", "notTaken"] as const;
export type AnswerSource = (typeof ANSWER_SOURCES)[number];

/** What became of a sample. */
export interface Answer {
  readonly request: number;
  readonly source: AnswerSource;
  /** -1 where the model's output is no vector of logits. */
  readonly label: number;
  /** The exit's. */
  readonly edgeLabel: number;
  /** Of the exit, 2^-16 nats. */
  readonly entropy: number;
  /** Offload frames sent for it. */
  readonly attempts: number;
  /** Time on the engine. */
  readonly micros: number;
  /** CRC-32 of the result's row, then of the payload where the sample was not exited. */
  readonly check: number;
}

/** Why something was refused (below 100), and what happened on the device. */
export const EVENT_CODES = {
  ok: 0,
  empty: 1,
  badHeader: 2,
  tooLarge: 3,
  unknownKey: 4,
  badSignature: 5,
  badHash: 6,
  oldCounter: 7,
  rejected: 8,
  flashFailed: 9,
  noUpdate: 10,
  badChunk: 11,
  unrunnable: 12,
  slotTrapped: 13,
  onTrial: 14,
  noTrial: 15,
  /** number: 0 no model, 1 a confirmed one, 2 one on trial. */
  started: 100,
  /** number: the counter of the model that was given up. */
  reverted: 101,
  badFrame: 102,
  noRoom: 103,
  noModel: 104,
  wrongSize: 105,
  trapped: 106,
} as const;
export type EventName = keyof typeof EVENT_CODES;

export interface DeviceEvent {
  /** Of the command that it answers; 0: unasked. */
  readonly request: number;
  readonly code: number;
  readonly number: number;
  /** For people: plain ASCII. */
  readonly sentence: string;
}

/** By number. */
export const RESET_CAUSES = ["powerOn", "software", "watchdog", "fault"] as const;

/** Counts since the start, in the order of the frame; as the host device's where they have the same name. */
export const DESCRIPTION_COUNTS = [
  "samples",
  "exited",
  "offloaded",
  "offered",
  "answered",
  "refused",
  "unconfirmed",
  "duplicates",
  "invalid",
  "dropped",
  "reconnects",
] as const;

/** High-water marks and what they are of, in bytes, in the order of the frame. */
export const DESCRIPTION_MEMORY = [
  "heapPeak",
  "heapBytes",
  "stackPeak",
  "stackBytes",
  "staticBytes",
  "ramBytes",
] as const;

export interface Description {
  readonly request: number;
  readonly device: string;
  readonly board: string;
  readonly firmware: string;
  /** Undefined when there is no model. */
  readonly model: DescribedModel | undefined;
  readonly uptimeSeconds: number;
  readonly resetCause: (typeof RESET_CAUSES)[number];
  readonly counts: Readonly<Record<(typeof DESCRIPTION_COUNTS)[number], number>>;
  readonly memory: Readonly<Record<(typeof DESCRIPTION_MEMORY)[number], number>>;
}

export interface DescribedModel {
  readonly name: string;
  /** Of the bundle's manifest: 64 hexadecimal digits. */
  readonly digest: string;
  readonly counter: number;
  readonly slot: number;
  readonly trial: boolean;
}

const SENTENCE_LENGTH = 120;
const NAME_LENGTH = 31;
const COUNTS_AT = 13;
const MEMORY_AT = COUNTS_AT + DESCRIPTION_COUNTS.length;

export function encodeCommand(c: Command): Uint8Array {
  return packFrame("command", [c.request, OPERATIONS.indexOf(c.operation), c.number, c.check, binary(c.data)]);
}

/** Throws a FrameError for anything but a Command frame of this version; so do the others below. */
export function decodeCommand(frame: Uint8Array): Command {
  const f = openFrame("command", frame, 7);
  return {
    request: f.integer(2, "the request", 1, UINT32),
    operation: f.one(3, "the operation", OPERATIONS),
    number: f.integer(4, "the number", 0, UINT32),
    check: f.integer(5, "the check", 0, UINT32),
    data: f.bytes(6, "the data", 0, frame.length),
  };
}

export function encodeAnswer(a: Answer): Uint8Array {
  return packFrame("answer", [
    a.request,
    ANSWER_SOURCES.indexOf(a.source),
    a.label >>> 0,
    a.edgeLabel >>> 0,
    a.entropy,
    a.attempts,
    a.micros,
    a.check,
  ]);
}

export function decodeAnswer(frame: Uint8Array): Answer {
  const f = openFrame("answer", frame, 10);
  return {
    request: f.integer(2, "the request", 0, UINT32),
    source: f.one(3, "the source", ANSWER_SOURCES),
    label: f.integer(4, "the label", 0, UINT32) | 0,
    edgeLabel: f.integer(5, "the exit's label", 0, UINT32) | 0,
    entropy: f.integer(6, "the entropy", 0, UINT32),
    attempts: f.integer(7, "the attempts", 0, UINT32),
    micros: f.integer(8, "the time", 0, UINT32),
    check: f.integer(9, "the check", 0, UINT32),
  };
}

export function encodeEvent(e: DeviceEvent): Uint8Array {
  return packFrame("event", [e.request, e.code, e.number, plain(e.sentence, SENTENCE_LENGTH)]);
}

export function decodeEvent(frame: Uint8Array): DeviceEvent {
  const f = openFrame("event", frame, 6);
  return {
    request: f.integer(2, "the request", 0, UINT32),
    code: f.integer(3, "the code", 0, UINT32),
    number: f.integer(4, "the number", 0, UINT32),
    sentence: f.text(5, "the sentence", SENTENCE_LENGTH),
  };
}

export function encodeDescription(d: Description): Uint8Array {
  const { model } = d;
  return packFrame("description", [
    d.request,
    plain(d.device, NAME_LENGTH),
    plain(d.board, NAME_LENGTH),
    plain(d.firmware, NAME_LENGTH),
    plain(model?.name ?? "", NAME_LENGTH),
    bytesOf(model?.digest ?? ""),
    model?.counter ?? 0,
    model?.slot ?? 0,
    model?.trial ? 1 : 0,
    d.uptimeSeconds,
    RESET_CAUSES.indexOf(d.resetCause),
    ...DESCRIPTION_COUNTS.map((name) => d.counts[name]),
    ...DESCRIPTION_MEMORY.map((name) => d.memory[name]),
  ]);
}

export function decodeDescription(frame: Uint8Array): Description {
  const f = openFrame("description", frame, MEMORY_AT + DESCRIPTION_MEMORY.length);
  return {
    request: f.integer(2, "the request", 0, UINT32),
    device: f.text(3, "the device", NAME_LENGTH),
    board: f.text(4, "the board", NAME_LENGTH),
    firmware: f.text(5, "the firmware", NAME_LENGTH),
    model: describedModel(f),
    uptimeSeconds: f.integer(11, "the uptime", 0, UINT32),
    resetCause: f.one(12, "the cause of the reset", RESET_CAUSES),
    counts: numbers(f, DESCRIPTION_COUNTS, COUNTS_AT),
    memory: numbers(f, DESCRIPTION_MEMORY, MEMORY_AT),
  };
}

function describedModel(f: Fields): DescribedModel | undefined {
  const digest = f.bytes(7, "the model's digest", 0, 32);
  if (digest.length === 0) return undefined;
  return {
    name: f.text(6, "the model's name", NAME_LENGTH),
    digest: hex(f.bytes(7, "the model's digest", 32, 32)),
    counter: f.integer(8, "the counter", 0, UINT32),
    slot: f.integer(9, "the slot", 0, 1),
    trial: f.integer(10, "the trial", 0, 1) === 1,
  };
}

function numbers<Name extends string>(f: Fields, names: readonly Name[], at: number): Record<Name, number> {
  const entries = names.map((name, i) => [name, f.integer(at + i, name, 0, UINT32)]);
  return Object.fromEntries(entries) as Record<Name, number>;
}
