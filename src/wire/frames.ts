/**
 * What devices and workers say to each other: msgpack arrays of scalars with a fixed order, version 1, as docs/wire.md lays
 * them out. A C peer writes the same arrays with any msgpack writer.
 */
import { Packr } from "msgpackr";
import { HedgeError } from "../errors.ts";
import { scan } from "./scan.ts";
import { isName } from "./topics.ts";

export const WIRE_VERSION = 1;
const TYPES = { offload: 1, result: 2, dead: 3 } as const;

/** Largest frames in bytes. A module has one 64 KiB page, so no payload is larger than that. */
export const FRAME_LIMITS = { offload: (64 << 10) + 256, result: 256, dead: 1024 } as const;

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

export const DEAD_REASONS = ["topic", "frame", "model", "payload", "inference"] as const;
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

/** A frame that breaks the schema. */
export class FrameError extends HedgeError {
  constructor(kind: keyof typeof TYPES, flaw: string) {
    super(
      "input",
      `The ${kind} frame ${flaw}.`,
      `Send frames as docs/wire.md lays them out for version ${WIRE_VERSION}.`,
    );
    this.name = "FrameError";
  }
}

const UINT32 = 0xffffffff;
const MAX_LABEL = 999;
const MAX_ENTROPY = 1 << 20;
const HEAD_BYTES = 64;
const SENTENCE_LENGTH = 300;

// int64AsType: a C peer may write the deadline as uint 64, JavaScript writes a float 64.
const codec = new Packr({ useRecords: false, int64AsType: "number", copyBuffers: true });

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (digest: string): Buffer => Buffer.from(digest, "hex");

export function encodeOffload(o: Offload): Uint8Array {
  return codec.pack([
    WIRE_VERSION,
    TYPES.offload,
    bytesOf(o.model),
    o.session,
    o.sample,
    o.deadline,
    o.attempt,
    o.label,
    o.entropy,
    Buffer.from(o.payload.buffer, o.payload.byteOffset, o.payload.byteLength),
  ]);
}

/** Throws a FrameError for anything but an Offload frame of this version. */
export function decodeOffload(frame: Uint8Array): Offload {
  const f = open("offload", frame, 10);
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
  return codec.pack([
    WIRE_VERSION,
    TYPES.result,
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
  const f = open("result", frame, 10);
  return {
    model: hex(f.bytes(2, "the model's digest", 32, 32)),
    session: f.integer(3, "the session", 0, UINT32),
    sample: f.integer(4, "the sample", 0, UINT32),
    state: RESULT_STATES[f.integer(5, "the state", 0, RESULT_STATES.length - 1)] as ResultState,
    label: f.integer(6, "the label", 0, MAX_LABEL),
    confidence: f.real(7, "the confidence", 0, 1),
    worker: f.name(8, "the worker"),
    ms: f.integer(9, "the time", 0, UINT32),
  };
}

/** Shortens the sentence and the head to what fits. */
export function encodeDeadLetter(d: DeadLetter): Uint8Array {
  return codec.pack([
    WIRE_VERSION,
    TYPES.dead,
    DEAD_REASONS.indexOf(d.reason),
    // Plain ASCII: what a hostile frame says must not reach a terminal as control codes.
    d.sentence.replace(/[^\x20-\x7e]/g, "?").slice(0, SENTENCE_LENGTH),
    d.device,
    d.size,
    Buffer.from(d.head.subarray(0, HEAD_BYTES)),
  ]);
}

/** Throws a FrameError for anything but a DeadLetter frame of this version. */
export function decodeDeadLetter(frame: Uint8Array): DeadLetter {
  const f = open("dead", frame, 7);
  return {
    reason: DEAD_REASONS[f.integer(2, "the reason", 0, DEAD_REASONS.length - 1)] as DeadReason,
    sentence: f.text(3, "the sentence", SENTENCE_LENGTH),
    device: f.text(4, "the device", 23),
    size: f.integer(5, "the size", 0, UINT32),
    head: f.bytes(6, "the head", 0, HEAD_BYTES),
  };
}

/** Size, shape, version and type are right after this; the fields are checked as they are taken. */
function open(kind: keyof typeof TYPES, frame: Uint8Array, items: number): Fields {
  const limit = FRAME_LIMITS[kind];
  if (frame.length > limit) throw new FrameError(kind, `has ${frame.length} bytes where at most ${limit} are allowed`);
  const scanned = scan(frame);
  if (scanned.flaw !== undefined) throw new FrameError(kind, scanned.flaw);
  let values: unknown;
  try {
    values = codec.unpack(frame);
  } catch (error) {
    throw new FrameError(kind, `cannot be decoded (${(error as Error).message})`);
  }
  const fields = new Fields(kind, values as unknown[]);
  const version = fields.integer(0, "the version", 0, UINT32);
  if (version !== WIRE_VERSION) {
    throw new FrameError(kind, `has version ${version} where ${WIRE_VERSION} is understood`);
  }
  const type = fields.integer(1, "the type", 0, UINT32);
  if (type !== TYPES[kind]) throw new FrameError(kind, `has type ${type} where ${TYPES[kind]} is expected`);
  if (scanned.items !== items) throw new FrameError(kind, `has ${scanned.items} items where ${items} are expected`);
  return fields;
}

class Fields {
  constructor(
    private readonly kind: keyof typeof TYPES,
    private readonly values: readonly unknown[],
  ) {}

  integer(at: number, what: string, min: number, max: number): number {
    const value = this.values[at];
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw new FrameError(this.kind, `has no whole number from ${min} to ${max} as ${what}`);
    }
    // -0 is a safe integer too; nothing downstream should have to think of it.
    return (value as number) + 0;
  }

  real(at: number, what: string, min: number, max: number): number {
    const value = this.values[at];
    // Written so that NaN fails.
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw new FrameError(this.kind, `has no number from ${min} to ${max} as ${what}`);
    }
    return value + 0;
  }

  bytes(at: number, what: string, min: number, max: number): Uint8Array {
    const value = this.values[at];
    if (!(value instanceof Uint8Array) || value.length < min || value.length > max) {
      throw new FrameError(this.kind, `has no ${min === max ? min : `${min} to ${max}`} bytes as ${what}`);
    }
    return value;
  }

  text(at: number, what: string, max: number): string {
    const value = this.values[at];
    if (typeof value !== "string" || value.length > max || /[^\x20-\x7e]/.test(value)) {
      throw new FrameError(this.kind, `has no plain text of at most ${max} characters as ${what}`);
    }
    return value;
  }

  name(at: number, what: string): string {
    const value = this.text(at, what, 23);
    if (!isName(value)) throw new FrameError(this.kind, `has no valid name as ${what}`);
    return value;
  }
}
