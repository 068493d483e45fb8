/**
 * Frames on a serial line: COBS(channel, content, CRC-32 of both, little-endian), then 0x00. COBS leaves no other zero in a frame, so that a
 * reader finds the next one whatever came before; the CRC tells whether it is whole. The C peer is firmware-wasm/core/link.c.
 */
import { crc32 } from "node:zlib";
import { FRAME_LIMITS } from "../wire/fields.ts";

/** Channels 1 ... 31 carry the frames of docs/wire.md by their type; these belong to the link itself. */
export const LINK_CHANNELS = { log: 32, hello: 33, host: 34 } as const;

/** A frame's content is not longer than this. */
export const LINK_CONTENT_LIMIT = Math.max(...Object.values(FRAME_LIMITS));

export interface LinkFrame {
  readonly channel: number;
  readonly content: Uint8Array;
}

const CRC_BYTES = 4;
/** Longest encoded frame: channel and CRC, one code byte for 254 bytes. */
const ENCODED_LIMIT = Math.ceil((LINK_CONTENT_LIMIT + 1 + CRC_BYTES) * (255 / 254)) + 1;

/** The bytes of a frame, with the 0x00 that ends it. */
export function encodeLinkFrame(channel: number, content: Uint8Array): Uint8Array {
  const plain = Buffer.alloc(1 + content.length + CRC_BYTES);
  plain[0] = channel;
  plain.set(content, 1);
  const check = 1 + content.length;
  plain.writeUInt32LE(crc32(plain.subarray(0, check)), check);
  return cobsEncode(plain);
}

/** Takes bytes as they come and gives back the frames that are whole; damaged ones are dropped and counted. */
export class LinkDecoder {
  /** Frames that were too long, or not what COBS and the CRC say. */
  damaged = 0;
  #parts: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): LinkFrame[] {
    const frames: LinkFrame[] = [];
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(0, from);
      if (end < 0) break;
      this.#keep(bytes.subarray(from, end));
      from = end + 1;
      const frame = this.#finish();
      if (frame !== undefined) frames.push(frame);
    }
    this.#keep(bytes.slice(from));
    return frames;
  }

  /** What came of a frame so far belongs to a line that is gone. */
  reset(): void {
    this.#parts = [];
    this.#length = 0;
  }

  /** Beyond the limit only the length counts: memory is bounded whatever comes. */
  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length <= ENCODED_LIMIT) this.#parts.push(part);
    else this.#parts = [];
  }

  #finish(): LinkFrame | undefined {
    const length = this.#length;
    const encoded = Buffer.concat(this.#parts);
    this.reset();
    // Zeros between frames say nothing.
    if (length === 0) return undefined;
    const plain = length <= ENCODED_LIMIT ? cobsDecode(encoded) : undefined;
    const check = plain === undefined ? 0 : plain.length - CRC_BYTES;
    if (plain === undefined || check < 1 || plain.readUInt32LE(check) !== crc32(plain.subarray(0, check))) {
      this.damaged++;
      return undefined;
    }
    return { channel: plain[0] as number, content: plain.subarray(1, check) };
  }
}

/** Each block: a code n from 1 to 255, then n - 1 bytes that are not zero; where n is below 255 and a block follows, a zero comes behind them. */
function cobsEncode(plain: Uint8Array): Uint8Array {
  const out = Buffer.alloc(plain.length + Math.floor(plain.length / 254) + 2);
  let code = 0;
  let at = 1;
  for (const byte of plain) {
    if (byte !== 0) out[at++] = byte;
    if (byte !== 0 && at - code < 255) continue;
    out[code] = at - code;
    code = at++;
  }
  out[code] = at - code;
  return out.subarray(0, at + 1);
}

/** Undefined when a block is cut off. */
function cobsDecode(encoded: Uint8Array): Buffer | undefined {
  const out = Buffer.alloc(encoded.length);
  let length = 0;
  let at = 0;
  while (at < encoded.length) {
    const code = encoded[at++] as number;
    const end = at + code - 1;
    if (end > encoded.length) return undefined;
    out.set(encoded.subarray(at, end), length);
    length += code - 1;
    at = end;
    if (code < 255 && at < encoded.length) length++;
  }
  return out.subarray(0, length);
}
