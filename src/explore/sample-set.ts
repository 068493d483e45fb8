/** Samples and labels in files of numbers: NumPy arrays (.npy), or JSON. */
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { elementCount } from "../graph/graph.ts";
import { decodeNpy, type NumberArray } from "./npy.ts";

const MAX_BYTES = 2 ** 29;
/** Nesting of the deepest input, and of the list around it. */
const MAX_DEPTH = 6;

/**
 * Reads samples as the model takes them, in real numbers.
 * @param dims of one sample
 * @throws HedgeError (input) when there is no such file, or it does not hold samples of these dimensions
 */
export async function readSampleSet(path: string, dims: readonly number[]): Promise<Float32Array[]> {
  const size = elementCount(dims);
  const remedy = `Give an array of samples of ${dims.join(" x ")} numbers each, as .npy or .json.`;
  const { values } = await readNumbers(path, remedy);
  if (values.length === 0 || values.length % size !== 0)
    throw new HedgeError(
      "input",
      `${path} holds ${values.length} numbers, no whole number of samples of ${dims.join(" x ")}.`,
      remedy,
    );
  const odd = Array.prototype.findIndex.call(values, (value: number) => !Number.isFinite(value));
  if (odd >= 0)
    throw new HedgeError(
      "input",
      `${path}: sample ${Math.floor(odd / size)} holds ${values[odd]}.`,
      "Give finite numbers.",
    );
  const all = Float32Array.from(values);
  return Array.from({ length: all.length / size }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/**
 * Reads one label per sample.
 * @throws HedgeError (input) when there are not `count` whole numbers of at least 0
 */
export async function readLabelList(path: string, count: number): Promise<number[]> {
  const remedy = "Give an array of one class number per sample, as .npy or .json.";
  const labels = Array.from((await readNumbers(path, remedy)).values);
  if (labels.length !== count)
    throw new HedgeError("input", `${path} holds ${labels.length} labels for ${count} samples.`, remedy);
  const odd = labels.find((label) => !Number.isInteger(label) || label < 0);
  if (odd !== undefined) throw new HedgeError("input", `${path} holds the label ${odd}.`, remedy);
  return labels;
}

async function readNumbers(path: string, remedy: string): Promise<NumberArray> {
  const bytes = await readCapped(path, MAX_BYTES, remedy);
  if (path.toLowerCase().endsWith(".npy")) return decodeNpy(bytes, path);
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new HedgeError("input", `${path} is neither a NumPy array nor JSON.`, remedy, { cause });
  }
  const values: unknown[] = Array.isArray(content) ? content.flat(MAX_DEPTH) : [content];
  if (!values.every((value) => typeof value === "number"))
    throw new HedgeError("input", `${path} does not hold an array of numbers.`, remedy);
  return { shape: [values.length], values };
}
