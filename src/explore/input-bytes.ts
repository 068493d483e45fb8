/** A sample's integers and the bytes in which a module takes them. */
import type { Manifest } from "../bundle/manifest.ts";

type Input = Manifest["input"];

/** The integers that the model knows: those of a pixel less its zero, where the manifest does not say otherwise. */
export function inputRange({ range, pixelZero }: Input): readonly [low: number, high: number] {
  return range ?? [-pixelZero, 255 - pixelZero];
}

/**
 * @param integers a sample in units of the input's step, in the order in which the module takes them; saturated to what the model knows
 * @returns one or two bytes each, little endian
 */
export function packInput(integers: ArrayLike<number>, input: Input): Int8Array {
  const [low, high] = inputRange(input);
  const clipped = Array.from(integers, (n) => Math.min(Math.max(n, low), high));
  return input.bytes === 2 ? new Int8Array(Int16Array.from(clipped).buffer) : Int8Array.from(clipped);
}

/** The integers of a packed sample. */
export function unpackInput(bytes: Int8Array, input: Input): ArrayLike<number> {
  const signed = inputRange(input)[0] < 0;
  const { buffer } = Int8Array.from(bytes);
  if (input.bytes === 2) return signed ? new Int16Array(buffer) : new Uint16Array(buffer);
  return signed ? new Int8Array(buffer) : new Uint8Array(buffer);
}

/**
 * @param planes an image in units of the input's step, channel planes one after another (CHW)
 * @returns the same in the order in which the module takes it: as it is, or pixel by pixel (HWC)
 */
export function packImage(planes: ArrayLike<number>, input: Input): Int8Array {
  if (input.layout !== "HWC") return packInput(planes, input);
  const channels = input.shape[0]!;
  const pixels = planes.length / channels;
  const ordered = Array.from(planes, (_, i) => planes[(i % channels) * pixels + Math.floor(i / channels)]!);
  return packInput(ordered, input);
}

/** A packed sample as real values, in the order of the graph: of an image channel planes one after another. */
export function inputValues(bytes: Int8Array, input: Input): Float64Array {
  const values = Float64Array.from(unpackInput(bytes, input), (n) => n * input.pixelStep);
  if (input.layout !== "HWC") return values;
  const channels = input.shape[0]!;
  const pixels = values.length / channels;
  return values.map((_, i) => values[(i % pixels) * channels + Math.floor(i / pixels)]!);
}
