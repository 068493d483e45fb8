/** One image file, PNG or JPEG, as a model's input. */
import jpeg from "jpeg-js";
import type { Manifest } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { packImage } from "./input-bytes.ts";
import { decodePng, isPng, type Pixels, type Size, wrongSize } from "./png.ts";

/** Beyond it a file is refused unread: what PNG and JPEG take at their worst, with room for a camera's metadata. */
const fileLimit = ({ width, height }: Size) => 8 * width * height + (1 << 20);
const JPEG_LIMITS = { maxResolutionInMP: 16, maxMemoryUsageInMB: 256 };

/** What of a manifest an image must fit. */
export type ImageInput = Pick<Manifest, "name" | "input">;

/**
 * Reads an image of exactly the model's size.
 * @returns (pixel - zero) as the bytes of the model's input
 * @throws HedgeError (input) when the file is missing, no PNG or JPEG, damaged, of another size, or not opaque
 */
export async function readImage(path: string, { name, input }: ImageInput): Promise<Int8Array> {
  const [channels, height, width] = input.shape;
  if (input.shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new HedgeError(
      "input",
      `${name} takes ${input.shape.join(" x ")} values, which no image file has.`,
      "Give the sample as a JSON file: an array of numbers.",
    );
  }
  const size = { width: width!, height: height! };
  const bytes = await readCapped(path, fileLimit(size), `Give an image of ${size.width} x ${size.height} pixels.`);
  const pixels = isPng(bytes) ? decodePng(bytes, path, size) : decodeJpeg(bytes, path, size);
  return packImage(toPlanes(pixels, channels, input.pixelZero, path), input);
}

function decodeJpeg(bytes: Buffer, file: string, size: Size): Pixels {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) {
    throw new HedgeError("input", `${file} is neither a PNG nor a JPEG image.`, "Save it as PNG or JPEG.");
  }
  const { width, height, data } = (() => {
    try {
      return jpeg.decode(bytes, { useTArray: true, tolerantDecoding: false, ...JPEG_LIMITS });
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new HedgeError("input", `${file} is a damaged or too large JPEG (${reason}).`, "Save it again.", { cause });
    }
  })();
  if (width !== size.width || height !== size.height) throw wrongSize(file, { width, height }, size);
  return { width, height, rgba: data };
}

/** RGBA pixels -> (pixel - zero), CHW. */
function toPlanes({ rgba, width, height }: Pixels, channels: 1 | 3, zero: number, file: string): Int16Array {
  const plane = width * height;
  const out = new Int16Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    const [r, g, b, a] = rgba.subarray(4 * i, 4 * i + 4);
    if (a !== 255) {
      throw new HedgeError("input", `${file} has transparent pixels.`, "Flatten it onto a background first.");
    }
    if (channels === 1 && (r !== g || g !== b)) {
      throw new HedgeError("input", `${file} has colours, but the model takes grey images.`, "Save it in grey.");
    }
    for (let c = 0; c < channels; c++) out[c * plane + i] = rgba[4 * i + c]! - zero;
  }
  return out;
}
