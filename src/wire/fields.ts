/**
 * What all frames share: a msgpack array of scalars in a fixed order, its version and type first. A frame is opened by its kind, which
 * checks its size before any decoder sees it; its fields are checked as they are taken.
 */
import { Packr } from "msgpackr";
import { HedgeError } from "../errors.ts";
import { scan } from "./scan.ts";
import { isName } from "./topics.ts";

export const WIRE_VERSION = 1;

/** The numbers that say a frame's kind. */
export const FRAME_TYPES = { offload: 1, result: 2, dead: 3, command: 4, answer: 5, event: 6, description: 7 } as const;
export type FrameKind = keyof typeof FRAME_TYPES;

const KINDS = Object.keys(FRAME_TYPES) as FrameKind[];

/** Largest frames in bytes. No payload and no sample is larger than 64 KiB. */
export const FRAME_LIMITS: Readonly<Record<FrameKind, number>> = {
  offload: (64 << 10) + 256,
  result: 256,
  dead: 1024,
  command: (64 << 10) + 256,
  answer: 512,
  event: 512,
  description: 512,
};

/** A frame that breaks the schema. */
export class FrameError extends HedgeError {
  constructor(kind: FrameKind, flaw: string) {
    super(
      "input",
      `The ${kind} frame ${flaw}.`,
      `Send frames as docs/wire.md lays them out for version ${WIRE_VERSION}.`,
    );
    this.name = "FrameError";
  }
}

export const UINT32 = 0xffffffff;

// int64AsType: a C peer may write the deadline as uint 64, JavaScript writes a float 64.
const codec = new Packr({ useRecords: false, int64AsType: "number", copyBuffers: true });

/** A frame of these fields, in order, behind version and type. */
export function packFrame(kind: FrameKind, fields: readonly unknown[]): Uint8Array {
  return codec.pack([WIRE_VERSION, FRAME_TYPES[kind], ...fields]);
}

/** Bytes as they are packed: msgpackr writes a bare Uint8Array as an extension. */
export const binary = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const bytesOf = (digest: string): Buffer => Buffer.from(digest, "hex");

/** Plain ASCII of at most `length` characters: what a hostile frame says must not reach a terminal as control codes. */
export const plain = (text: string, length: number): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, length);

/** Which kind of frame this says it is; undefined where it says none. Nothing else of it is checked. */
export function kindOf(frame: Uint8Array): FrameKind | undefined {
  if (frame.length > Math.max(...Object.values(FRAME_LIMITS)) || scan(frame).flaw !== undefined) return undefined;
  const [, type] = codec.unpack(frame) as unknown[];
  return KINDS.find((kind) => FRAME_TYPES[kind] === type);
}

/** Size, shape, version and type are right after this; the fields are checked as they are taken. */
export function openFrame(kind: FrameKind, frame: Uint8Array, items: number): Fields {
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
  const expected = FRAME_TYPES[kind];
  if (type !== expected) throw new FrameError(kind, `has type ${type} where ${expected} is expected`);
  if (scanned.items !== items) throw new FrameError(kind, `has ${scanned.items} items where ${items} are expected`);
  return fields;
}

export class Fields {
  constructor(
    private readonly kind: FrameKind,
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

  /** One of `choices`, sent as its place among them. */
  one<Choice>(at: number, what: string, choices: readonly Choice[]): Choice {
    return choices[this.integer(at, what, 0, choices.length - 1)] as Choice;
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
