/**
 * Divides the taps of a kernel into chunks of one shape, few enough that a chunk's activations fit into locals: the same code then
 * walks over all of them. A chunk's taps lie at fixed distances from where the chunk begins.
 */
import type { MatchedConv } from "./conv-match.ts";
import type { CopyLoop } from "./element-layers.ts";
import type { RowWindowDraft } from "./row-window.ts";

export interface TapChunks {
  /** Nested loops over the chunks, the innermost last: how often, and by how many bytes each moves. */
  readonly loops: readonly Pick<CopyLoop, "count" | "from">[];
  /** Byte offsets of a chunk's taps. */
  readonly offsets: readonly number[];
  /** Per chunk and tap: its index among an output's weights, or -1 where the last chunk of a run has taps too many. */
  readonly taps: readonly (readonly number[])[];
}

/** @param limit most taps of a chunk */
export function planTapChunks(conv: MatchedConv, window: RowWindowDraft, limit: number): TapChunks {
  const { kernel, dilations, group } = conv.geometry;
  const [rows, columns] = kernel;
  const channels = conv.input.dims[0] / group;
  const index = (c: number, i: number, j: number): number => (c * rows + i) * columns + j;
  const at = window.tapOffset;
  const chunkOf = (list: readonly (readonly [number, number, number])[]): Pick<TapChunks, "offsets"> => ({
    offsets: list.map(([c, i, j]) => at(c, i, j)),
  });
  const all = product(rows, columns, channels);
  if (all.length <= limit)
    return {
      loops: [],
      ...chunkOf(all.map(([i, j, c]) => [c, i, j])),
      taps: [all.map(([i, j, c]) => index(c, i, j))],
    };
  const rowLoop = { count: rows, from: at(0, 1, 0) - at(0, 0, 0) };
  const step = at(1, 0, 0) - at(0, 0, 0);
  // A kernel row whose taps lie one after another is one run, to be cut anywhere.
  const contiguous = dilations[1] === 1 && window.pixelStride === channels * step;
  const perRow = columns * channels;
  if (contiguous || perRow <= limit) {
    const order = contiguous
      ? product(1, columns, channels).map(([, j, c]) => [c, j] as const)
      : product(1, channels, columns).map(([, c, j]) => [c, j] as const);
    const { pieces, length } = cut(perRow, limit);
    return {
      loops: [rowLoop, { count: pieces, from: contiguous ? length * step : 0 }],
      ...chunkOf(order.slice(0, length).map(([c, j]) => [c, 0, j])),
      taps: product(1, rows, pieces).map(([, i, piece]) =>
        Array.from({ length }, (_, t) => {
          const tap = order[piece * length + t];
          return tap ? index(tap[0], i, tap[1]) : -1;
        }),
      ),
    };
  }
  const { pieces, length } = cut(channels, limit);
  return {
    loops: [rowLoop, { count: columns, from: at(0, 0, 1) - at(0, 0, 0) }, { count: pieces, from: length * step }],
    offsets: Array.from({ length }, (_, t) => t * step),
    taps: product(rows, columns, pieces).map(([i, j, piece]) =>
      Array.from({ length }, (_, t) => (piece * length + t < channels ? index(piece * length + t, i, j) : -1)),
    ),
  };
}

/** The fewest equal pieces of at most `limit`. */
function cut(count: number, limit: number): { pieces: number; length: number } {
  const pieces = Math.ceil(count / limit);
  return { pieces, length: Math.ceil(count / pieces) };
}

/** All triples of indices, the last one fastest. */
function product(a: number, b: number, c: number): [number, number, number][] {
  return Array.from({ length: a * b * c }, (_, n) => [Math.floor(n / (b * c)), Math.floor(n / c) % b, n % c]);
}
