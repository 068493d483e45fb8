import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesPerPixel,
  filterBytes,
  gatherWords,
  isHalf,
  packFilter,
  packPadPixel,
  packThresholds,
} from "./packing.ts";

const CHANNELS = [1, 3, 8, 9, 16, 31, 32, 33, 63, 64, 65];

describe("gatherWords", () => {
  it.each([
    [16, 3],
    [32, 5],
    [64, 9],
    [8, 2],
  ])("%i channels of a 3x3 kernel need %i words", (channels, words) => {
    expect(gatherWords(3, 3 * bytesPerPixel(channels))).toHaveLength(words);
  });

  it("covers every byte of every row once, and no word overflows", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40 }), (rows, rowBytes) => {
        const seen = new Set<string>();
        for (const pieces of gatherWords(rows, rowBytes)) {
          const used = new Set<number>();
          for (const { row, offset, bytes, position } of pieces)
            for (let i = 0; i < bytes; i++) {
              expect(seen.has(`${row}:${offset + i}`)).toBe(false);
              seen.add(`${row}:${offset + i}`);
              expect(used.has(position + i)).toBe(false);
              used.add(position + i);
              expect(position + i).toBeLessThan(8);
            }
        }
        expect(seen.size).toBe(rows * rowBytes);
      }),
    );
  });
});

describe("isHalf", () => {
  it.each([
    [16, [false, false, true], 20],
    [24, [false, false, false, true], 28],
    [32, [false, false, false, false, true], 36],
    [40, [false, false, false, false, false, false], 48],
    [3, [false, true], 12],
  ])("%i channels of a 3x3 kernel: a last word of at most four bytes is a half", (channels, halves, bytes) => {
    const words = gatherWords(3, 3 * bytesPerPixel(channels));
    expect(words.map(isHalf)).toEqual(halves);
    expect(filterBytes(words)).toBe(bytes);
  });
});

describe("packing", () => {
  it.each(CHANNELS)("%i channels: one bit per weight of +1, padding bits zero", (channels) => {
    const words = gatherWords(3, 3 * bytesPerPixel(channels));
    const count = (bytes: Uint8Array): number =>
      bytes.reduce((sum, b) => sum + b.toString(2).replaceAll("0", "").length, 0);
    const none = new Uint8Array(channels);
    const all = new Float64Array(channels * 9).fill(1);
    expect(count(packFilter(all, channels, [3, 3], words, none))).toBe(channels * 9);
    expect(
      count(
        packFilter(
          all.map(() => -1),
          channels,
          [3, 3],
          words,
          none,
        ),
      ),
    ).toBe(0);
    expect(count(packFilter(all, channels, [3, 3], words, new Uint8Array(channels).fill(1)))).toBe(0);
    expect(count(packPadPixel(channels, true, none))).toBe(channels);
    expect(count(packPadPixel(channels, false, none))).toBe(0);
  });

  it("a stored threshold and its flip say what the level says, for every integer", () => {
    const thresholds = fc.integer({ min: -200, max: 200 });
    fc.assert(
      fc.property(thresholds, fc.boolean(), (t, rises) => {
        const { table, flipped } = packThresholds([t], [rises ? 1 : 0]);
        for (let n = -128; n <= 127; n++) {
          const level = rises ? n >= t : -n - 1 >= t;
          const bit = ((n ^ table[0]!) & 0xff) >= 128 + table[8]!;
          expect(bit !== (flipped[0] === 1)).toBe(level);
        }
      }),
      { numRuns: 300 },
    );
  });
});
