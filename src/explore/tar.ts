/** Reads the files of a tar archive out of a stream (POSIX.1-1988 ustar, as npm packs). */
import { HedgeError } from "../errors.ts";

const BLOCK = 512;

export interface TarFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/**
 * Yields the wanted files of an archive, one at a time.
 * @param limit most bytes of one wanted file
 * @param archive names the archive in errors
 * @throws HedgeError (input) for what is no tar archive, is cut short or holds too large a file
 */
export async function* readTar(
  chunks: AsyncIterable<Buffer>,
  wanted: (path: string) => boolean,
  limit: number,
  archive: string,
): AsyncGenerator<TarFile> {
  const source = new Blocks(chunks);
  for (;;) {
    const header = await source.take(BLOCK);
    // Two blocks of zeros end an archive; the first suffices.
    if (header.length === 0 || header.every((byte) => byte === 0)) return;
    if (header.length < BLOCK || !sumsUp(header)) throw damaged(archive);
    const size = Number.parseInt(text(header, 124, 12), 8);
    const prefix = text(header, 345, 155);
    const path = (prefix ? `${prefix}/` : "") + text(header, 0, 100);
    const padding = -size & (BLOCK - 1);
    const isFile = header[156] === 0x30 || header[156] === 0;
    if (!Number.isSafeInteger(size)) throw damaged(archive);
    if (!isFile || !wanted(path)) {
      await source.skip(size + padding);
      continue;
    }
    if (size > limit) {
      throw new HedgeError("input", `${path} in ${archive} has ${size} bytes, more than ${limit}.`, "Fetch it again.");
    }
    const bytes = await source.take(size);
    if (bytes.length < size) throw damaged(archive);
    await source.skip(padding);
    yield { path, bytes };
  }
}

/** Pieces of given lengths out of chunks of any length; shorter only at the end. */
class Blocks {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async take(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    await this.#consume(bytes, (part) => parts.push(part));
    return Buffer.concat(parts);
  }

  async skip(bytes: number): Promise<void> {
    await this.#consume(bytes, () => {});
  }

  async #consume(bytes: number, use: (part: Buffer) => void): Promise<void> {
    for (let missing = bytes; missing > 0; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) return;
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      use(part);
    }
  }
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.toString("latin1", start, start + length);
  const end = field.indexOf("\0");
  return end < 0 ? field : field.slice(0, end);
}

/** The checksum is the sum of the header's bytes, its own field counted as spaces. */
function sumsUp(header: Buffer): boolean {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return Number.parseInt(text(header, 148, 8), 8) === sum;
}

function damaged(archive: string): HedgeError {
  return new HedgeError("input", `${archive} is no whole tar archive.`, "Fetch it again.");
}
