/** PNG files within limits: size and geometry are read from the header before anything is inflated. */
import { PNG } from "pngjs";
import { HedgeError } from "../errors.ts";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Through the end of the header chunk's data (PNG specification, 11.2.2). */
const HEADER_BYTES = 29;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels as 8-bit RGBA, row by row. */
export interface Pixels extends Size {
  readonly rgba: Uint8Array;
}

export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.equals(bytes.subarray(0, SIGNATURE.length));
}

/**
 * Decodes a PNG of exactly this size.
 * @param file names the image in errors
 * @throws HedgeError (input) for another size, an interlaced or a damaged file
 */
export function decodePng(bytes: Buffer, file: string, { width, height }: Size): Pixels {
  if (!isPng(bytes) || bytes.length < HEADER_BYTES) {
    throw new HedgeError("input", `${file} is no PNG image.`, "Give a PNG file.");
  }
  const found = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  if (found.width !== width || found.height !== height) throw wrongSize(file, found, { width, height });
  // pngjs bounds what it inflates by the image's size, save for interlaced images.
  if (bytes[28] !== 0) {
    throw new HedgeError("input", `${file} is an interlaced PNG.`, "Save it without interlacing.");
  }
  try {
    return { width, height, rgba: PNG.sync.read(bytes, { checkCRC: true }).data };
  } catch (cause) {
    throw new HedgeError("input", `${file} is a damaged PNG (${(cause as Error).message}).`, "Save it again.", {
      cause,
    });
  }
}

export function wrongSize(file: string, found: Size, wanted: Size): HedgeError {
  return new HedgeError(
    "input",
    `${file} is ${found.width} x ${found.height} pixels, not ${wanted.width} x ${wanted.height}.`,
    `Scale or crop it to ${wanted.width} x ${wanted.height} first.`,
  );
}
