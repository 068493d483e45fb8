/** One sample as a model's input: an image file, or numbers in a JSON file. */
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { elementCount } from "../graph/graph.ts";
import { quantRange, ROUNDING } from "../graph/operators/quant.ts";
import { type ImageInput, readImage } from "./image-file.ts";

/** Digits, a sign, an exponent, a comma and indentation. */
const BYTES_PER_NUMBER = 64;
const { low, high } = quantRange(8, true, false);

/**
 * Reads PNG and JPEG images, and of files named *.json an array of real numbers, flat or nested as the input with or without its batch, which are rounded
 * to the bytes that a device takes (half to even, saturated).
 * @returns 8-bit integers in the order of the manifest's input
 * @throws HedgeError (input) when the file is missing, damaged, or does not fit the input
 */
export async function readSample(path: string, model: ImageInput): Promise<Int8Array> {
  if (!path.toLowerCase().endsWith(".json")) return readImage(path, model);
  const { shape, pixelStep } = model.input;
  const count = elementCount(shape);
  const remedy = `Give an array of ${count} numbers, of the shape ${shape.join(" x ")}.`;
  const text = (await readCapped(path, BYTES_PER_NUMBER * count + 1024, remedy)).toString("utf8");
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new HedgeError("input", `${path} is not JSON.`, remedy, { cause });
  }
  const values = Array.isArray(content) ? content.flat(shape.length) : [];
  const odd = values.find((value) => typeof value !== "number");
  if (values.length !== count || odd !== undefined) {
    const what = odd === undefined ? `${values.length} numbers` : JSON.stringify(odd).slice(0, 40);
    throw new HedgeError(
      "input",
      `${path} holds ${what}; ${model.name} takes ${count} numbers (${shape.join(" x ")}).`,
      remedy,
    );
  }
  const round = ROUNDING.ROUND!;
  return Int8Array.from(values as number[], (value) => Math.min(Math.max(round(value / pixelStep), low), high));
}
