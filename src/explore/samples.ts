/** Labelled images of a model's size and classes, from a file of records. */
import { type Manifest, resultCount } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { openFile, readStart } from "../files.ts";
import { elementCount } from "../graph/graph.ts";
import { packImage } from "./input-bytes.ts";

export interface Samples {
  /** (pixel - zero) as the bytes of the model's input. */
  readonly images: Int8Array[];
  readonly labels: Uint16Array;
}

/** What is read into memory at most: 350,000 CIFAR images. */
const MAX_BYTES = 2 ** 30;

/**
 * Reads records (a label byte, then the pixels of each channel plane) of the size that the model takes.
 * @param count the first so many only
 * @throws HedgeError (usage, input) when there is no such file, or its size or labels do not fit the model
 */
export async function readSamples(path: string, manifest: Manifest, count?: number): Promise<Samples> {
  const { shape, pixelZero } = manifest.input;
  const classes = resultCount(manifest);
  const recordBytes = 1 + elementCount(shape);
  const file = await openFile(path, "Fetch the images first: hedge data cifar10");
  try {
    const size = file.bytes;
    if (size === 0 || size % recordBytes !== 0) {
      throw new HedgeError(
        "input",
        `${path} has ${size} bytes, no whole number of records of a label and ${shape.join(" x ")} pixels.`,
        `Give a file of images of the size that ${manifest.name} takes.`,
      );
    }
    const records = Math.min(size / recordBytes, count ?? Number.POSITIVE_INFINITY);
    if (records * recordBytes > MAX_BYTES) {
      throw new HedgeError("input", `${path} has more than ${MAX_BYTES} bytes.`, "Take fewer images with --count.");
    }
    const bytes = await readStart(path, file, records * recordBytes);
    const labels = new Uint16Array(records);
    const images = Array.from({ length: records }, (_, i) => {
      const at = i * recordBytes;
      labels[i] = bytes[at]!;
      if (labels[i]! >= classes) {
        throw new HedgeError(
          "input",
          `Record ${i} of ${path} has the label ${labels[i]}, but ${manifest.name} knows ${classes} classes.`,
          "Give images of the classes of the model.",
        );
      }
      const planes = Int16Array.from(bytes.subarray(at + 1, at + recordBytes), (pixel) => pixel - pixelZero);
      return packImage(planes, manifest.input);
    });
    return { images, labels };
  } finally {
    await file.handle.close();
  }
}
