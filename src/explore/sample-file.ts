/** One sample as a model's input: an image file, or numbers in a JSON file. */
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { elementCount } from "../graph/graph.ts";
import { ROUNDING } from "../graph/operators/quant.ts";
import { type ImageInput, readImage } from "./image-file.ts";
import { packInput } from "./input-bytes.ts";

/** Digits, a sign, an exponent, a comma and indentation. */
const BYTES_PER_NUMBER = 64;

/**
 * Reads PNG and JPEG images, and of files named *.json an array of real numbers, flat or nested as the input with or without its batch, which are rounded
 * to integers of the input's step (half to even) and saturated.
 * @returns the bytes of the model's input
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
  return packInput(
    (values as number[]).map((value) => round(value / pixelStep)),
    model.input,
  );
}
