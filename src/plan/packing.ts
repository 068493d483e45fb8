/**
 * How +-1 values become bits. A feature map's bits lie pixel by pixel, channels innermost, each pixel in whole bytes, so that the taps of
 * a kernel row are contiguous: with 16 channels three taps fill 48 bits. A word is gathered once per pixel and then meets the weights
 * of every output channel. A bit of 1 stands for +1.
 */
import type { WordPiece } from "./plan.ts";

export function bytesPerPixel(channels: number): number {
  return Math.ceil(channels / 8);
}

/**
 * Joins the rows of a kernel and cuts them into words of 8 bytes; the last word takes what is left.
 * @returns the pieces of each word: a word that crosses the end of a row has several
 */
export function gatherWords(rows: number, rowBytes: number): WordPiece[][] {
  const total = rows * rowBytes;
  const words: WordPiece[][] = [];
  for (let start = 0; start < total; start += 8) {
    const pieces: WordPiece[] = [];
    for (let at = start; at < Math.min(start + 8, total); at += pieces.at(-1)!.bytes) {
      const row = Math.floor(at / rowBytes);
      const end = Math.min(start + 8, (row + 1) * rowBytes);
      pieces.push({ row, offset: at - row * rowBytes, bytes: end - at, position: at - start });
    }
    words.push(pieces);
  }
  return words;
}

/** Whether a word is computed in 32 bits, which cost less on a 32-bit machine. Only the last word of a filter can be so short. */
export function isHalf(word: readonly WordPiece[]): boolean {
  return word.reduce((sum, { bytes }) => sum + bytes, 0) <= 4;
}

/** Bytes of a filter's words: 4 for a half, 8 for each other. */
export function filterBytes(words: readonly (readonly WordPiece[])[]): number {
  return words.reduce((sum, word) => sum + (isHalf(word) ? 4 : 8), 0);
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
  const out = new Uint8Array(filterBytes(words));
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
 * Threshold tables for eight channels at a time, compared as bytes inside an i64. With u = n ^ mask, the stored bit is u >= 128 + t as
 * unsigned bytes, for a t of 0 ... 128: `mask` and t take a byte per channel each.
 *
 * A threshold of 0 or more has the mask 0x80, which makes a signed byte an unsigned one. For a negative threshold the bit is
 * stored inverted (the channel is flipped): n < threshold is -1 - n >= -threshold, and the mask 0x7f stands for -1 - n. A falling channel
 * (level = -1 - n >= threshold) is a rising one with -threshold, flipped. Channels beyond the last are 0.
 * @param thresholds one per channel; beyond -128 and 128 they are reached by all bytes or by none
 */
export function packThresholds(
  thresholds: ArrayLike<number>,
  rising: ArrayLike<number>,
): { table: Uint8Array; flipped: Uint8Array } {
  const channels = thresholds.length;
  const groups = Math.ceil(channels / 8);
  const table = new Uint8Array(groups * 16);
  const flipped = new Uint8Array(channels);
  for (let c = 0; c < groups * 8; c++) {
    const rises = c < channels ? rising[c] : 1;
    const threshold = c < channels ? thresholds[c]! : 128;
    const t = Math.max(-128, Math.min(128, rises ? threshold : -threshold));
    const at = (c >> 3) * 16 + (c & 7);
    table[at] = t < 0 ? 0x7f : 0x80;
    table[at + 8] = Math.abs(t);
    if (c < channels && t < 0 === (rises !== 0)) flipped[c] = 1;
  }
  return { table, flipped };
}
