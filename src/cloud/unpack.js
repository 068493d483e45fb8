// @ts-check
/**
 * Unpacking batches of payloads, by a table per place in the byte. src/wire/payload.ts says what a payload is, and this is held to it.
 */

/** @typedef {{ shape: number[], bits: 1 | 2 | 4 | 8, bytes: number, scale: number, offset: number }} Layout */

/**
 * A function that unpacks `count` payloads, which lie one after another, to the values of `size` samples: the last one is repeated.
 *
 * @param {Layout} layout
 */
export function unpacker({ shape, bits, bytes, scale, offset }) {
  const [channels, height, width] = /** @type {[number, number, number]} */ (shape);
  const pixels = height * width;
  const pixelBytes = bytes / pixels;
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  /** What the level at a place of the byte stands for, by the byte. */
  const tables = Array.from({ length: perByte }, (_, place) =>
    Float32Array.from({ length: 256 }, (_, byte) => {
      const pattern = (byte >> (place * bits)) & mask;
      const level = bits === 8 && pattern >= 128 ? pattern - 256 : pattern;
      return (level + offset) * scale;
    }),
  );

  /** @param {Uint8Array} payloads @param {number} count @param {number} size */
  return (payloads, count, size) => {
    const each = channels * pixels;
    const values = new Float32Array(size * each);
    for (let sample = 0; sample < count; sample++) {
      for (let channel = 0; channel < channels; channel++) {
        const table = /** @type {Float32Array} */ (tables[channel % perByte]);
        let from = sample * bytes + Math.floor(channel / perByte);
        const start = sample * each + channel * pixels;
        for (let at = start; at < start + pixels; at++, from += pixelBytes) {
          values[at] = /** @type {number} */ (table[/** @type {number} */ (payloads[from])]);
        }
      }
    }
    const last = values.subarray((count - 1) * each, count * each);
    for (let sample = count; sample < size; sample++) values.set(last, sample * each);
    return values;
  };
}
