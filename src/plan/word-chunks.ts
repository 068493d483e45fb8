/** Divides the bits under a kernel into 64-bit words, and these into chunks of one shape, few enough to be held in locals. */
import { gatherWords, packFilter } from "./packing.ts";
import type { WordPiece } from "./plan.ts";

export interface WordChunks {
  /** The words of the first chunk. */
  readonly words: readonly (readonly WordPiece[])[];
  /** For each chunk: by how many rows and bytes it lies behind the first. */
  readonly starts: readonly { readonly row: number; readonly byte: number }[];
  /** Loops over the chunks, the innermost last: how often, and by how many kernel rows and bytes each moves. */
  readonly loops: readonly { readonly count: number; readonly rows: number; readonly bytes: number }[];
}

/** @param limit most words of a chunk */
export function planWordChunks(
  [rows, columns]: readonly [number, number],
  pixelBytes: number,
  limit: number,
): WordChunks {
  const rowBytes = columns * pixelBytes;
  const all = wholeWords(gatherWords(rows, rowBytes));
  if (all.length <= limit) return { words: all, starts: [{ row: 0, byte: 0 }], loops: [] };
  const perRow = Math.ceil(rowBytes / 8);
  const pieces = Math.ceil(perRow / limit);
  const length = Math.ceil(perRow / pieces);
  const words =
    pieces === 1
      ? wholeWords(gatherWords(1, rowBytes))
      : Array.from({ length }, (_, i) => [{ row: 0, offset: 8 * i, bytes: 8, position: 0 }]);
  return {
    words,
    starts: Array.from({ length: rows * pieces }, (_, i) => ({
      row: Math.floor(i / pieces),
      byte: (i % pieces) * length * 8,
    })),
    loops: [
      { count: rows, rows: 1, bytes: 0 },
      { count: pieces, rows: 0, bytes: length * 8 },
    ],
  };
}

/** The last word, too, is read as a whole: where it has no bits of the kernel, weights have none either. */
function wholeWords(words: readonly (readonly WordPiece[])[]): WordPiece[][] {
  return words.map((pieces) => {
    const last = pieces.at(-1)!;
    return [...pieces.slice(0, -1), { ...last, bytes: 8 - last.position }];
  });
}

/**
 * Packs bits of one output's weights for one chunk.
 * @param bits [channels, rows, columns]
 */
export function packChunk(
  bits: ArrayLike<number>,
  channels: number,
  kernel: readonly [number, number],
  { words }: WordChunks,
  start: WordChunks["starts"][number],
): Uint8Array {
  const moved = words.map((pieces) =>
    pieces.map((piece) => ({ ...piece, row: piece.row + start.row, offset: piece.offset + start.byte })),
  );
  const signs = Array.from(bits, (bit) => (bit ? 1 : -1));
  return packFilter(signs, channels, kernel, moved, new Uint8Array(channels));
}
