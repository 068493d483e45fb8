/**
 * The payload: the feature map at the cut as packed levels. Levels are packed in NHWC order, `bits` bits each, the first level in the
 * lowest bits of its byte; every pixel begins at a byte boundary. Unsigned for fewer than 8 bits, signed for 8.
 */
import { HedgeError } from "../errors.ts";

/** What of a manifest's payload the codec needs. */
export interface PayloadLayout {
  /** Channels, height, width. */
  readonly shape: readonly number[];
  readonly bits: 1 | 2 | 4 | 8;
  /** Level q stands for the value (q + offset) * scale. */
  readonly scale: number;
  readonly offset: number;
}

/** Size of the packed payload in bytes. */
export function payloadBytes(layout: Pick<PayloadLayout, "shape" | "bits">): number {
  const { pixels, pixelBytes } = dimensions(layout);
  return pixels * pixelBytes;
}

/**
 * The values of a payload, as the cloud part takes them: channels * height * width floats, channel planes one after another (CHW).
 * Bits that pad a pixel's last byte are ignored. Throws a HedgeError (input) when the size is not the layout's.
 */
export function unpackPayload(layout: PayloadLayout, payload: Uint8Array): Float32Array {
  const { channels, pixels, pixelBytes } = dimensions(layout);
  if (payload.length !== pixels * pixelBytes) {
    throw new HedgeError(
      "input",
      `The payload has ${payload.length} bytes where the model's has ${pixels * pixelBytes}.`,
      "Give the device and the worker the same bundle.",
    );
  }
  const { bits } = layout;
  const values = levelValues(layout);
  const mask = (1 << bits) - 1;
  const perByte = 8 / bits;
  const out = new Float32Array(channels * pixels);
  for (let channel = 0; channel < channels; channel++) {
    const shift = (channel % perByte) * bits;
    let from = Math.floor(channel / perByte);
    const plane = channel * pixels;
    for (let pixel = 0; pixel < pixels; pixel++, from += pixelBytes) {
      out[plane + pixel] = values[((payload[from] as number) >> shift) & mask] as number;
    }
  }
  return out;
}

/**
 * Packs levels (CHW) as a device does; what the module's packing steps are held to. Throws a HedgeError (input) for a wrong count or a
 * level outside the range of `bits`.
 */
export function packPayload(layout: Pick<PayloadLayout, "shape" | "bits">, levels: ArrayLike<number>): Uint8Array {
  const { channels, pixels, pixelBytes } = dimensions(layout);
  const { bits } = layout;
  const [min, max] = bits === 8 ? [-128, 127] : [0, (1 << bits) - 1];
  if (levels.length !== channels * pixels) {
    throw new HedgeError(
      "input",
      `There are ${levels.length} levels where the payload has ${channels * pixels}.`,
      "Give one level for each channel of each pixel.",
    );
  }
  const mask = (1 << bits) - 1;
  const perByte = 8 / bits;
  const out = new Uint8Array(pixels * pixelBytes);
  for (let channel = 0; channel < channels; channel++) {
    const shift = (channel % perByte) * bits;
    for (let pixel = 0; pixel < pixels; pixel++) {
      const level = levels[channel * pixels + pixel] as number;
      if (!Number.isInteger(level) || level < min || level > max) {
        throw new HedgeError(
          "input",
          `Level ${level} of channel ${channel} does not fit ${bits} bits.`,
          `Give whole numbers from ${min} to ${max}.`,
        );
      }
      const at = pixel * pixelBytes + Math.floor(channel / perByte);
      out[at] = (out[at] as number) | ((level & mask) << shift);
    }
  }
  return out;
}

function dimensions({ shape, bits }: Pick<PayloadLayout, "shape" | "bits">) {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || channels === undefined || height === undefined || width === undefined) {
    throw new HedgeError(
      "input",
      `A payload of shape [${shape.join(", ")}] cannot be packed.`,
      "Cut at a feature map of channels, height and width.",
    );
  }
  return { channels, pixels: height * width, pixelBytes: Math.ceil((channels * bits) / 8) };
}

/** What each pattern of `bits` bits stands for. */
function levelValues({ bits, scale, offset }: PayloadLayout): Float32Array {
  const values = new Float32Array(1 << bits);
  for (let pattern = 0; pattern < values.length; pattern++) {
    const level = bits === 8 && pattern >= 128 ? pattern - 256 : pattern;
    values[pattern] = (level + offset) * scale;
  }
  return values;
}
