/**
 * The header of a model slot, as firmware-wasm/core/slot.h lays it out: 256 bytes, little-endian, of which the last 64 sign the first 192.
 */
import { HedgeError } from "../errors.ts";

export const HEADER_BYTES = 256;
/** What the signature covers. */
export const SIGNED_BYTES = 192;
export const NAME_BYTES = 32;
const FORMAT = 1;
const MAGIC = "HDGS";
const HYBRID = 1;
const UINT32 = 0xffffffff;

/** Weights lie behind the module from the next multiple of it. */
const WEIGHTS_ALIGNMENT = 8;
/** Limits that every device has, beside those of its flash and RAM. */
const MAX_STEPS = 65535;
const MAX_CLASSES = 1000;

/** Words of the header from offset 16 on, and the least and the greatest value of each. */
const WORDS = {
  wasmBytes: [8, UINT32],
  weightsBytes: [0, UINT32],
  /** Of the linear memory. */
  memoryBytes: [1, UINT32],
  /** wasm3's value stack. */
  stackBytes: [0, UINT32],
  input: [0, UINT32],
  inputBytes: [1, UINT32],
  threshold: [0, UINT32],
  result: [0, UINT32],
  /** Integers of the result row behind label, exited and entropy. */
  resultCount: [0, UINT32],
  payload: [0, UINT32],
  payloadBytes: [0, UINT32],
  steps: [1, MAX_STEPS],
  /** 2^-16 nats. */
  thresholdValue: [0, 2 ** 31 - 1],
  /** Labels are below it; 0 where the output is no vector of logits. */
  classes: [0, MAX_CLASSES],
} as const satisfies Record<string, readonly [number, number]>;
type Word = keyof typeof WORDS;
const WORD_NAMES = Object.keys(WORDS) as Word[];

const OFFSETS = {
  counter: 8,
  flags: 12,
  words: 16,
  keyId: 72,
  name: 80,
  digest: 112,
  body: 144,
  reserved: 176,
} as const;

export interface SlotHeader extends Readonly<Record<Word, number>> {
  /** A device takes no model whose counter is not above that of every model it confirmed. */
  readonly counter: number;
  /** Whether it has an exit, a threshold and a payload. */
  readonly hybrid: boolean;
  /** Of the signer's public key: 16 hexadecimal digits. */
  readonly keyId: string;
  /** For people: printable ASCII. */
  readonly name: string;
  /** The bundle's; 64 hexadecimal digits. */
  readonly digest: string;
  /** SHA-256 of all behind the header; 64 hexadecimal digits. */
  readonly bodySha256: string;
}

/** Bytes of module, padding and weights behind the header. */
export function bodyBytes({ wasmBytes, weightsBytes }: Pick<SlotHeader, "wasmBytes" | "weightsBytes">): number {
  return weightsOffset(wasmBytes) + weightsBytes;
}

/** Where weights start behind the header. */
export function weightsOffset(wasmBytes: number): number {
  return Math.ceil(wasmBytes / WEIGHTS_ALIGNMENT) * WEIGHTS_ALIGNMENT;
}

/** Why a device would refuse this header, whatever its flash and RAM; the end of a sentence that begins with the model. */
export function flawOf(header: SlotHeader): string | undefined {
  const { counter, hybrid, memoryBytes, classes, name } = header;
  if (!(counter >= 1 && counter <= UINT32)) return `has counter ${counter}, outside 1 ... ${UINT32}`;
  for (const word of WORD_NAMES) {
    const [min, max] = WORDS[word];
    const value = header[word];
    if (!(value >= min && value <= max)) return `has ${word} ${value}, outside ${min} ... ${max}`;
  }
  if (!/^[ -~]{1,32}$/.test(name)) return `has a name that is not 1 to ${NAME_BYTES} printable ASCII characters`;
  if (hybrid && classes < 2) return `has ${classes} classes where a hybrid model has at least 2`;
  if (hybrid !== header.payloadBytes > 0)
    return hybrid ? "has no payload where a hybrid model has one" : "has a payload but no cloud part";
  const regions = {
    input: header.inputBytes,
    threshold: 4,
    result: 4 * (3 + header.resultCount),
    payload: header.payloadBytes,
  };
  for (const [region, bytes] of Object.entries(regions)) {
    const address = header[region as keyof typeof regions];
    if (address + bytes > memoryBytes)
      return `has its ${region} (${bytes} bytes at ${address}) outside its memory of ${memoryBytes} bytes`;
  }
  for (const word of ["threshold", "result"] as const)
    if (header[word] % 4 !== 0) return `has its ${word} at ${header[word]}, which is no multiple of 4`;
  return undefined;
}

/** The first SIGNED_BYTES of a header. */
export function encodeHeader(header: SlotHeader): Buffer {
  const bytes = Buffer.alloc(SIGNED_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt16LE(FORMAT, 4);
  bytes.writeUInt16LE(HEADER_BYTES, 6);
  bytes.writeUInt32LE(header.counter, OFFSETS.counter);
  bytes.writeUInt32LE(header.hybrid ? HYBRID : 0, OFFSETS.flags);
  for (const [i, word] of WORD_NAMES.entries()) bytes.writeUInt32LE(header[word], OFFSETS.words + 4 * i);
  bytes.write(header.keyId, OFFSETS.keyId, "hex");
  bytes.write(header.name, OFFSETS.name, NAME_BYTES, "latin1");
  bytes.write(header.digest, OFFSETS.digest, "hex");
  bytes.write(header.bodySha256, OFFSETS.body, "hex");
  return bytes;
}

/**
 * Reads a header; its signature is not looked at.
 * @param where names it in the error
 * @throws HedgeError (input) when it is none, or a device would refuse it
 */
export function decodeHeader(bytes: Uint8Array, where: string): SlotHeader {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isHeader = view.length >= HEADER_BYTES && view.toString("latin1", 0, 4) === MAGIC;
  if (!isHeader)
    throw new HedgeError("input", `${where} is no image of a model slot.`, "Give a file that `hedge sign` wrote.");
  const hex = (offset: number, length: number): string => view.toString("hex", offset, offset + length);
  const flags = view.readUInt32LE(OFFSETS.flags);
  const header = {
    ...(Object.fromEntries(WORD_NAMES.map((word, i) => [word, view.readUInt32LE(OFFSETS.words + 4 * i)])) as Record<
      Word,
      number
    >),
    counter: view.readUInt32LE(OFFSETS.counter),
    hybrid: (flags & HYBRID) !== 0,
    keyId: hex(OFFSETS.keyId, 8),
    name: view.toString("latin1", OFFSETS.name, OFFSETS.name + NAME_BYTES).replace(/\0+$/, ""),
    digest: hex(OFFSETS.digest, 32),
    bodySha256: hex(OFFSETS.body, 32),
  };
  const flaw = flawOf(header);
  if (flaw) throw new HedgeError("input", `${where} ${flaw}.`, "Sign the bundle again.");
  // Format, sizes, unknown flags, what follows a name: whatever this version would not write.
  if (!encodeHeader(header).equals(view.subarray(0, SIGNED_BYTES)))
    throw new HedgeError("input", `${where} has a header of another format.`, "Sign the bundle again with this Hedge.");
  return header;
}
