/** The binarized convolution as a layer: weights and activations of +-1, and one of three endings. */
import type { Epilogue } from "./epilogue.ts";
import type { LayerBase, Region, WordPiece } from "./plan.ts";

/** What is added to a binary convolution's result before it is rounded to the stream. */
export type Shortcut =
  | { readonly kind: "none" }
  /** The stream that the output replaces in place. */
  | { readonly kind: "identity"; readonly leftShift: number }
  /** Sums over windows of the input stream; channels beyond the input's get nothing. */
  | { readonly kind: "pooled"; readonly window: readonly [number, number]; readonly leftShift: number };

/**
 * Limits integers to -128 ... 127 by one load: byte i is the integer i - `below` - 128, limited. An output is raised by below + 128
 * in its record, so that it is an index. How many entries lie below -128 and above 127 is told by two i32 in the scratch area.
 */
export interface ClipTable {
  readonly region: Region;
  readonly countsOffset: number;
}

/** What becomes of the number of products that are -1. A record holds the filter's words, and behind them what the ending needs. */
export type BinaryEnding =
  /** An 8-bit stream: clip(((added << leftShift) + base - factor * count) >> shift); i32 base, i32 factor. */
  | {
      readonly kind: "stream";
      readonly shift: number;
      readonly shortcut: Shortcut;
      /** Whether an output can leave a signed byte, and by which table it is limited, if that is not too large. */
      readonly clips: boolean;
      readonly clipTable?: ClipTable;
    }
  /** +1 where the count is at most the record's i32, else -1. */
  | { readonly kind: "sign" }
  | { readonly kind: "epilogue"; readonly epilogue: Epilogue };

export interface BinaryConvLayer extends LayerBase {
  readonly kind: "binary-conv";
  readonly input: Region;
  readonly inputShape: readonly [number, number, number];
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  /** The input is an 8-bit stream, compared with tables at the start of the scratch area; otherwise its bytes are -1 and +1. */
  readonly thresholds: boolean;
  /** Packed and padded bits of as many rows as the kernel has: column by column, of each the pixels of all rows. */
  readonly bits: Region;
  /** Words of the columns under the kernel, which are neighbouring bytes. */
  readonly words: readonly (readonly WordPiece[])[];
  /** Where in the scratch area the padding pixel lies, and the filters' records. */
  readonly padPixelOffset: number;
  readonly recordsOffset: number;
  readonly recordBytes: number;
  /** Output pixels of a row that are computed in one pass over the filters. */
  readonly block: number;
  readonly ending: BinaryEnding;
}
