// @ts-check
/**
 * Unpacking batches of payloads, by a table per place in the byte. src/wire/payload.ts says what a payload is, and this is held to it.
 */

/** @typedef {{ shape: number[], bits: 1 | 2 | 4 | 8, bytes: number, scale: number, offset: number }} Layout */

/**
 * A function that unpacks `count` payloads, which lie one after another, to the values of `size` samples: the last one is repeated. What it
 * returns holds until it is called again: fresh memory for each batch would cost as much as the unpacking.
 *
 * @param {Layout} layout
 */
export function unpacker({ shape, bits, bytes, scale, offset }) {
  const [channels, height, width] = /** @type {[number, number, number]} */ (shape);
  const pixels = height * width;
  const each = channels * pixels;
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
  let values = new Float32Array(0);

  /**
   * Writes the planes of two channels whose levels share bytes, or of one alone.
   *
   * @param {Uint8Array} payloads @param {number} from of the first pixel's byte @param {number} at of the first value
   * @param {Float32Array} first @param {Float32Array | undefined} second
   */
  const unpackPlanes = (payloads, from, at, first, second) => {
    const end = at + pixels;
    if (second === undefined) {
      for (let i = from, to = at; to < end; to++, i += pixelBytes) {
        values[to] = /** @type {number} */ (first[/** @type {number} */ (payloads[i])]);
      }
      return;
    }
    for (let i = from, to = at; to < end; to++, i += pixelBytes) {
      const byte = /** @type {number} */ (payloads[i]);
      values[to] = /** @type {number} */ (first[byte]);
      values[to + pixels] = /** @type {number} */ (second[byte]);
    }
  };

  /** @param {Uint8Array} payloads @param {number} count @param {number} size */
  return (payloads, count, size) => {
    if (values.length < size * each) values = new Float32Array(size * each);
    for (let sample = 0; sample < count; sample++) {
      for (let channel = 0; channel < channels; ) {
        const place = channel % perByte;
        const paired = perByte > 1 && channel + 1 < channels;
        const from = sample * bytes + (channel - place) / perByte;
        const first = /** @type {Float32Array} */ (tables[place]);
        unpackPlanes(payloads, from, sample * each + channel * pixels, first, paired ? tables[place + 1] : undefined);
        channel += paired ? 2 : 1;
      }
    }
    for (let sample = count; sample < size; sample++) {
      values.copyWithin(sample * each, (count - 1) * each, count * each);
    }
    return values.subarray(0, size * each);
  };
}
