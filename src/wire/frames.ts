/**
 * What devices and workers say to each other: msgpack arrays of scalars with a fixed order, version 1, as docs/wire.md lays
 * them out. A C peer writes the same arrays with any msgpack writer.
 */
import { binary, bytesOf, FRAME_LIMITS, hex, openFrame, packFrame, plain, UINT32 } from "./fields.ts";

export { FRAME_LIMITS, FrameError, WIRE_VERSION } from "./fields.ts";

/** A sample that the device was not sure of. */
export interface Offload {
  /** Digest of the bundle's manifest: 64 hexadecimal digits; 32 bytes on the wire. */
  readonly model: string;
  /** Drawn at random when the device starts, so that samples of two lives of a device differ. 32 bits. */
  readonly session: number;
  /** Counts within the session. 32 bits. */
  readonly sample: number;
  /** Milliseconds from the epoch; an answer after it is of no use. */
  readonly deadline: number;
  /** 1 for the first offer of this sample. */
  readonly attempt: number;
  /** The edge exit's own answer. */
  readonly label: number;
  /** Of the edge exit, in 2^-16 nats. */
  readonly entropy: number;
  /** Packed features at the cut. */
  readonly payload: Uint8Array;
}

/** answered: label and confidence hold. expired: it came after its deadline. refused: see the dead letter. */
export const RESULT_STATES = ["answered", "expired", "refused"] as const;
export type ResultState = (typeof RESULT_STATES)[number];

export interface Result {
  readonly model: string;
  readonly session: number;
  readonly sample: number;
  readonly state: ResultState;
  /** The cloud's answer; 0 unless answered. */
  readonly label: number;
  /** Probability of the label, 0 ... 1; 0 unless answered. */
  readonly confidence: number;
  /** Name of the worker. */
  readonly worker: string;
  /** From receipt to answer, in milliseconds. */
  readonly ms: number;
}

export const DEAD_REASONS = ["topic", "frame", "model", "payload", "inference", "quota"] as const;
export type DeadReason = (typeof DEAD_REASONS)[number];

/** What a worker publishes of a message that it cannot serve. */
export interface DeadLetter {
  readonly reason: DeadReason;
  readonly sentence: string;
  /** Empty when the topic named none. */
  readonly device: string;
  /** Size of the message in bytes. */
  readonly size: number;
  /** Its first bytes, at most 64. */
  readonly head: Uint8Array;
}

const MAX_LABEL = 999;
const MAX_ENTROPY = 1 << 20;
const HEAD_BYTES = 64;
const SENTENCE_LENGTH = 300;

export function encodeOffload(o: Offload): Uint8Array {
  return packFrame("offload", [
    bytesOf(o.model),
    o.session,
    o.sample,
    o.deadline,
    o.attempt,
    o.label,
    o.entropy,
    binary(o.payload),
  ]);
}

/** Throws a FrameError for anything but an Offload frame of this version. */
export function decodeOffload(frame: Uint8Array): Offload {
  const f = openFrame("offload", frame, 10);
  return {
    model: hex(f.bytes(2, "the model's digest", 32, 32)),
    session: f.integer(3, "the session", 0, UINT32),
    sample: f.integer(4, "the sample", 0, UINT32),
    deadline: f.integer(5, "the deadline", 0, Number.MAX_SAFE_INTEGER),
    attempt: f.integer(6, "the attempt", 1, UINT32),
    label: f.integer(7, "the label", 0, MAX_LABEL),
    entropy: f.integer(8, "the entropy", 0, MAX_ENTROPY),
    payload: f.bytes(9, "the payload", 0, FRAME_LIMITS.offload),
  };
}

export function encodeResult(r: Result): Uint8Array {
  return packFrame("result", [
    bytesOf(r.model),
    r.session,
    r.sample,
    RESULT_STATES.indexOf(r.state),
    r.label,
    r.confidence,
    r.worker,
    r.ms,
  ]);
}

/** Throws a FrameError for anything but a Result frame of this version. */
export function decodeResult(frame: Uint8Array): Result {
  const f = openFrame("result", frame, 10);
  return {
    model: hex(f.bytes(2, "the model's digest", 32, 32)),
    session: f.integer(3, "the session", 0, UINT32),
    sample: f.integer(4, "the sample", 0, UINT32),
    state: f.one(5, "the state", RESULT_STATES),
    label: f.integer(6, "the label", 0, MAX_LABEL),
    confidence: f.real(7, "the confidence", 0, 1),
    worker: f.name(8, "the worker"),
    ms: f.integer(9, "the time", 0, UINT32),
  };
}

/** Shortens the sentence and the head to what fits. */
export function encodeDeadLetter(d: DeadLetter): Uint8Array {
  return packFrame("dead", [
    DEAD_REASONS.indexOf(d.reason),
    plain(d.sentence, SENTENCE_LENGTH),
    d.device,
    d.size,
    Buffer.from(d.head.subarray(0, HEAD_BYTES)),
  ]);
}

/** Throws a FrameError for anything but a DeadLetter frame of this version. */
export function decodeDeadLetter(frame: Uint8Array): DeadLetter {
  const f = openFrame("dead", frame, 7);
  return {
    reason: f.one(2, "the reason", DEAD_REASONS),
    sentence: f.text(3, "the sentence", SENTENCE_LENGTH),
    device: f.text(4, "the device", 23),
    size: f.integer(5, "the size", 0, UINT32),
    head: f.bytes(6, "the head", 0, HEAD_BYTES),
  };
}
