/**
 * A folder of labelled images that ships with Hedge: strip.png, in which each row is one image (its pixels row by row), and
 * labels.json. Lossless, and a fifth smaller than the records it holds.
 */
import { join } from "node:path";
import { PNG } from "pngjs";
import * as z from "zod";
import { type Manifest, resultCount } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import { packImage } from "./input-bytes.ts";
import { decodePng } from "./png.ts";
import type { Samples } from "./samples.ts";

export const STRIP_FILE = "strip.png";
export const LABELS_FILE = "labels.json";

const MAX_IMAGES = 10_000;
/** Folders of images come with Hedge, or are made by its tools. */
const RESTORE = "Give a folder of labelled images, such as models/cifar10-test-500.";
const LIMITS = { [STRIP_FILE]: 64 << 20, [LABELS_FILE]: 4 << 20 };

const labelsSchema = z
  .strictObject({
    /** Where the images are from. */
    source: z.string(),
    classes: z.array(z.string()).min(2).max(256),
    /** Channels, height, width of an image. */
    shape: z.tuple([z.literal(3), z.int().min(1).max(256), z.int().min(1).max(256)]),
    labels: z.array(z.int().nonnegative()).min(1).max(MAX_IMAGES),
    /** Index of each image in its source. */
    indices: z.array(z.int().nonnegative()),
  })
  .refine(({ labels, indices }) => labels.length === indices.length, "labels and indices differ in length")
  .refine(({ labels, classes }) => labels.every((label) => label < classes.length), "a label has no class");
export type StripLabels = z.infer<typeof labelsSchema>;

/** An image is its channel planes (CHW), pixels from 0 to 255. */
export interface Strip extends StripLabels {
  readonly images: Uint8Array[];
}

/**
 * Reads a folder of labelled images.
 * @throws HedgeError (input) when a file is missing, damaged or contradicts the other
 */
export async function readStrip(folder: string): Promise<Strip> {
  const labelsPath = join(folder, LABELS_FILE);
  const stripPath = join(folder, STRIP_FILE);
  const labels = parseLabels((await readCapped(labelsPath, LIMITS[LABELS_FILE], RESTORE)).toString("utf8"), labelsPath);
  const [channels, height, width] = labels.shape;
  const plane = height * width;
  const bytes = await readCapped(stripPath, LIMITS[STRIP_FILE], RESTORE);
  const { rgba } = decodePng(bytes, stripPath, { width: plane, height: labels.labels.length });
  const images = labels.labels.map((_, i) => {
    const image = new Uint8Array(channels * plane);
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < channels; c++) image[c * plane + p] = rgba[4 * (i * plane + p) + c]!;
    }
    return image;
  });
  return { ...labels, images };
}

function parseLabels(text: string, path: string): StripLabels {
  try {
    return labelsSchema.parse(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? cause.issues[0]!.message : "no JSON";
    throw new HedgeError("input", `${path} does not describe labelled images (${reason}).`, RESTORE, { cause });
  }
}

/**
 * The images of such a folder for a model.
 * @param count the first so many only
 * @throws HedgeError (input) also when size or classes are not the model's
 */
export async function readStripSamples(folder: string, manifest: Manifest, count?: number): Promise<Samples> {
  const { images, labels, shape, classes } = await readStrip(folder);
  const { name, input } = manifest;
  const known = resultCount(manifest);
  // An edge-only model may name no classes: then their number says enough.
  const sameClasses =
    manifest.classes.length === 0 ? classes.length === known : classes.join("\n") === manifest.classes.join("\n");
  if (shape.join() !== input.shape.join() || !sameClasses) {
    throw new HedgeError(
      "input",
      `${folder} holds images of ${shape.join(" x ")} values and ${classes.length} classes, but ${name} takes ` +
        `${input.shape.join(" x ")} and knows ${known}, or their names differ.`,
      "Give images that the model was made for.",
    );
  }
  return {
    images: images.slice(0, count).map((image) =>
      packImage(
        Int16Array.from(image, (pixel) => pixel - input.pixelZero),
        input,
      ),
    ),
    labels: Uint16Array.from(labels.slice(0, count)),
  };
}

/** The bytes of strip.png for images of `plane` pixels a channel (3 channel planes each). */
export function encodeStrip(images: readonly Uint8Array[], plane: number): Buffer {
  const png = new PNG({ width: plane, height: images.length });
  images.forEach((image, i) => {
    for (let p = 0; p < plane; p++) {
      const at = 4 * (i * plane + p);
      for (let c = 0; c < 3; c++) png.data[at + c] = image[c * plane + p]!;
      png.data[at + 3] = 255;
    }
  });
  // Neighbours to the left help; the row above is another image.
  return PNG.sync.write(png, { colorType: 2, deflateLevel: 9, filterType: 1 });
}
