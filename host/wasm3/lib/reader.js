import { Wasm3Error } from "./error.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads the WebAssembly binary format; every read is bounds-checked. */
export class Reader {
  /**
   * @param {Uint8Array} bytes
   * @param {number} at
   * @param {number} end
   */
  constructor(bytes, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte() {
    if (this.at >= this.end) throw new Wasm3Error("malformed", `The module ends early, at byte ${this.at}.`);
    return this.bytes[this.at++];
  }

  /** @param {number} count */
  skip(count) {
    if (count > this.end - this.at) throw new Wasm3Error("malformed", `The module ends early, at byte ${this.end}.`);
    this.at += count;
  }

  u32() {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Wasm3Error("malformed", `The number at byte ${this.at} is too long.`);
  }

  /** A signed number of up to 33 bits. */
  s33() {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** (shift + 7) : value;
    }
    throw new Wasm3Error("malformed", `The number at byte ${this.at} is too long.`);
  }

  /** Skips a number in LEB128. */
  leb() {
    while (this.byte() >= 0x80);
  }

  name() {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    return utf8.decode(this.bytes.subarray(start, this.at));
  }
}
