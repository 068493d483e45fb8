/** The layers that sum up products of integers of any width, and end in an epilogue. */
import type { Element } from "./element.ts";
import type { CopyLoop } from "./element-layers.ts";
import type { Epilogue } from "./epilogue.ts";
import type { LayerBase, Region } from "./plan.ts";
import type { RowWindow } from "./row-window.ts";

/** A convolution, of any integers, in SWAR lanes: src/plan/lane-conv.ts. */
export interface LaneConvLayer extends LayerBase {
  readonly kind: "lane-conv";
  readonly window: RowWindow;
  /** How an activation is stored, and how a weight is in weights.bin. */
  readonly element: Element;
  readonly weightElement: Element;
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  /** From an output's pixel to that of the next. */
  readonly strideBytes: number;
  /** Loops over chunks of taps, moving by bytes, and the byte offsets of a chunk's taps. */
  readonly loops: readonly Pick<CopyLoop, "count" | "from">[];
  readonly offsets: readonly number[];
  readonly lanes: { readonly count: number; readonly bits: number; readonly seed: number };
  /** The layer is worked through in parts of this many outputs, each with its own weights; groups read channels further on. */
  readonly blocks: number;
  readonly blockOutputs: number;
  readonly blockInputBytes: number;
  /** Bytes of the epilogue's records, in front of the weights. */
  readonly recordsBytes: number;
  /** One i32 per output of a block. */
  readonly sums: Region;
  readonly epilogue: Epilogue;
}

export type SumLayer = LaneConvLayer;
