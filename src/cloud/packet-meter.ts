/** The length of MQTT packets as they come in: of one that is too large no more is read than its head. */

/** Bytes of a packet's length, seven bits each (MQTT-2.2.3). */
const LENGTH_BYTES = 4;

export class PacketMeter {
  /** Bytes of the present packet that are still to come. */
  #rest = 0;
  /** Undefined while a type is expected, then how many bytes of the length were read. */
  #lengthBytes: number | undefined;

  /** @param limit most bytes of a packet behind its fixed header */
  constructor(private readonly limit: number) {}

  /** Takes the next bytes of the stream; false once a packet is too large, or says its length in more bytes than it may. */
  take(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#lengthBytes === undefined) {
        if (this.#rest > 0) {
          const skipped = Math.min(this.#rest, chunk.length - at);
          this.#rest -= skipped;
          at += skipped;
          continue;
        }
        this.#lengthBytes = 0;
        at++;
        continue;
      }
      const byte = chunk[at++]!;
      this.#rest += (byte & 127) * 128 ** this.#lengthBytes;
      this.#lengthBytes++;
      if (this.#rest > this.limit) return false;
      if (byte < 128) this.#lengthBytes = undefined;
      else if (this.#lengthBytes === LENGTH_BYTES) return false;
    }
    return true;
  }
}
