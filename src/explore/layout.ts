/** The order in which a model takes the values of an image. */
import type { Manifest } from "../bundle/manifest.ts";

/**
 * @param planes an image, channel planes one after another (CHW)
 * @returns its values in the order of the model's input: as they are, or pixel by pixel (HWC)
 */
export function toLayout(planes: Int8Array, { shape, layout }: Manifest["input"]): Int8Array {
  if (layout !== "HWC") return planes;
  const channels = shape[0]!;
  const pixels = planes.length / channels;
  return planes.map((_, i) => planes[(i % channels) * pixels + Math.floor(i / channels)]!);
}
