/**
 * How +-1 values become bits. A feature map's bits lie pixel by pixel, channels innermost, each pixel in whole bytes, so that the taps of
 * a kernel row are contiguous: with 16 channels three taps fill 48 bits of one 64-bit word. A word is gathered once per pixel and
 * then meets the weights of every output channel. A bit of 1 stands for +1.
 */
import type { WordPiece } from "./plan.ts";

export function bytesPerPixel(channels: number): number {
  return Math.ceil(channels / 8);
}

/**
 * Splits the rows of a kernel into words of at most 8 bytes: whole words first, then the rests of rows, as many in one word
 * as fit.
 */
export function gatherWords(rows: number, rowBytes: number): WordPiece[][] {
  const whole: WordPiece[][] = [];
  const rests: WordPiece[] = [];
  for (let row = 0; row < rows; row++) {
    let offset = 0;
    for (; offset + 8 <= rowBytes; offset += 8) whole.push([{ row, offset, bytes: 8, position: 0 }]);
    if (offset < rowBytes) rests.push({ row, offset, bytes: rowBytes - offset, position: 0 });
  }
  const shared: WordPiece[][] = [];
  for (const rest of rests) {
    const word = shared.find((pieces) => used(pieces) + rest.bytes <= 8);
    if (word) word.push({ ...rest, position: used(word) });
    else shared.push([rest]);
  }
  return [...whole, ...shared];
}

function used(pieces: readonly WordPiece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.bytes, 0);
}

/**
 * Packs one output channel's +-1 weights in the order in which activations are gathered.
 * @param weights [channels, height, width] of +-1
 * @param flipped channels whose activation bits are stored inverted: their weight bits are inverted too
 */
export function packFilter(
  weights: ArrayLike<number>,
  channels: number,
  [height, width]: readonly [number, number],
  words: readonly (readonly WordPiece[])[],
  flipped: ArrayLike<number>,
): Uint8Array {
  const pixel = bytesPerPixel(channels);
  const rows = Array.from({ length: height }, () => new Uint8Array(width * pixel));
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const bit = weights[(c * height + y) * width + x]! > 0 !== (flipped[c] === 1);
        if (bit) rows[y]![x * pixel + (c >> 3)]! |= 1 << (c & 7);
      }
  const out = new Uint8Array(words.length * 8);
  words.forEach((pieces, w) => {
    for (const { row, offset, bytes, position } of pieces)
      out.set(rows[row]!.subarray(offset, offset + bytes), w * 8 + position);
  });
  return out;
}

/** The bytes of one padding pixel: every channel at `positive ? +1 : -1`, inverted where activations are stored inverted. */
export function packPadPixel(channels: number, positive: boolean, flipped: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(bytesPerPixel(channels));
  for (let c = 0; c < channels; c++) if (positive !== (flipped[c] === 1)) out[c >> 3]! |= 1 << (c & 7);
  return out;
}

/**
 * Threshold tables for eight channels at a time, compared as bytes inside an i64. bit = (n >= t) is computed from the low
 * seven bits and the sign apart: `low` holds t & 0x7f, `sign` holds t & 0x80, per channel.
 * A falling channel (level = complement(n) >= t, that is n < -t) is stored as the inverse of n >= -t and marked flipped; a threshold that
 * is never reached is stored as the inverse of one always reached.
 * @param thresholds one per channel, -128 to 128
 */
export function packThresholds(
  thresholds: ArrayLike<number>,
  rising: ArrayLike<number>,
): { table: Uint8Array; flipped: Uint8Array } {
  const channels = thresholds.length;
  const groups = Math.ceil(channels / 8);
  const table = new Uint8Array(groups * 16);
  const flipped = new Uint8Array(channels);
  for (let c = 0; c < channels; c++) {
    let t = rising[c] ? thresholds[c]! : -thresholds[c]!;
    flipped[c] = rising[c] ? 0 : 1;
    if (t > 127) {
      t = -128;
      flipped[c]! ^= 1;
    }
    const group = (c >> 3) * 16;
    table[group + (c & 7)] = t & 0x7f;
    table[group + 8 + (c & 7)] = t & 0x80;
  }
  return { table, flipped };
}
