/** Layers of single elements: what they move, look up, add, pool and hand out. */
import type { Window } from "../graph/operators/window.ts";
import type { Element } from "./element.ts";
import type { Epilogue } from "./epilogue.ts";
import type { LayerBase, Region, WeightSlice } from "./plan.ts";

/** Moves elements: to another order, behind each other, into a frame. */
export interface CopyLayer extends LayerBase {
  readonly kind: "copy";
  /** How an element of the output is stored. */
  readonly element: Element;
  /** The integer of all elements that no part writes. */
  readonly fill?: number;
  readonly parts: readonly CopyPart[];
}

export interface CopyPart {
  readonly input: Region;
  readonly element: Element;
  /** Where in the output the part begins, in bytes. */
  readonly to: number;
  /** Nested, the innermost last. */
  readonly loops: readonly CopyLoop[];
  /** What an integer of the input is multiplied by. */
  readonly factor: number;
}

/** How often a loop runs, and by how many bytes it moves the two pointers. */
export interface CopyLoop {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** Functions of one byte, element by element: what is stored for each byte is a table. */
export interface TableLayer extends LayerBase {
  readonly kind: "table";
  readonly input: Region;
  /** Bytes of an output element. */
  readonly bytes: 1 | 2 | 4;
  readonly channels: number;
  /** One table for all channels, or one for each; they lie in the scratch area one after another. */
  readonly tables: number;
}

/** Element by element: the integer of a stored tensor, or the sum or product of two, goes through an epilogue. */
export interface PointwiseLayer extends LayerBase {
  readonly kind: "pointwise";
  readonly operands: readonly PointwiseOperand[];
  /** What becomes of two operands. */
  readonly join: "add" | "mul";
  readonly epilogue: Epilogue;
  readonly channels: number;
  /** One record of the epilogue for all channels, or one for each. */
  readonly records: number;
}

export interface PointwiseOperand extends Element {
  readonly region: Region;
  /** Its integers come from a table in the scratch area, by stored byte: where that begins, and how an entry is stored. */
  readonly table?: { readonly at: number; readonly element: Element };
  /** What its integers are multiplied by. */
  readonly factor: number;
  /** One value per channel, for all pixels. */
  readonly perChannel: boolean;
}

/** Windows over a map with channels innermost. */
export interface PoolWindow extends Window {
  readonly inputShape: readonly [number, number, number];
  /** Windows in a column and in a row. */
  readonly counts: readonly [number, number];
}

/** The largest element of each window, channel by channel; padding does not count. */
export interface MaxPoolLayer extends LayerBase {
  readonly kind: "max-pool";
  readonly input: Region;
  readonly element: Element;
  readonly window: PoolWindow;
}

/** The sum of each window, channel by channel, through an epilogue; padding counts as zeros. */
export interface AveragePoolLayer extends LayerBase {
  readonly kind: "average-pool";
  readonly input: Region;
  readonly element: Element;
  readonly window: PoolWindow;
  /**
   * The sums of one pixel's channels: as i32, or in lanes of 16 bits. Of eight channels the lanes are those of two words: first the even
   * channels, then the odd ones; signed bytes are added with 128 on top of each.
   */
  readonly sums: Region;
  readonly lanes: 16 | 32;
  readonly epilogue: Epilogue;
  /** One record of the epilogue for all channels, or one for each. */
  readonly records: number;
}

/** Writes the result row of an edge-only model: label, 1, 0, then each element as an i32. */
export interface OutputsLayer extends LayerBase {
  readonly kind: "outputs";
  readonly input: Region;
  readonly element: Element;
  /** Loops over the elements in row-major order. */
  readonly loops: readonly CopyLoop[];
  /** Whether the label is the largest element's index; else it is -1. */
  readonly labels: boolean;
}

/** The exit rule on logits that other layers made. */
export interface ExitDecisionLayer extends LayerBase {
  readonly kind: "exit-decision";
  readonly input: Region;
  readonly element: Element;
  /** Loops that copy the logits into the result row. */
  readonly loops: readonly CopyLoop[];
  /** A logit is an integer times 2^logitExponent. */
  readonly logitExponent: number;
  /** Tables of exp and ln, in weights.bin. */
  readonly tables: WeightSlice;
}

/** Packs stored integers to levels of 1, 2, 4 or 8 bits: level = (n - low) >> shift. */
export interface PackLayer extends LayerBase {
  readonly kind: "pack";
  readonly input: Region;
  readonly element: Element;
  readonly channels: number;
  readonly bits: 1 | 2 | 4 | 8;
  readonly low: number;
  readonly shift: number;
}

export type ElementLayer =
  | CopyLayer
  | TableLayer
  | PointwiseLayer
  | MaxPoolLayer
  | AveragePoolLayer
  | OutputsLayer
  | ExitDecisionLayer
  | PackLayer;
