/**
 * The plan: what the module will do, as plain data. Layers in order, where everything lies in memory, which bytes of weights.bin
 * each layer loads. Emission follows it without deciding anything.
 */

import type { BinaryConvLayer } from "./binary-layers.ts";
import type { ElementLayer } from "./element-layers.ts";
import type { PlacedBuffer } from "./memory.ts";
import type { SumLayer } from "./sum-layers.ts";

/** How one word of a packed convolution is gathered from a pixel's neighbourhood: pieces of rows, each shifted into place. */
export interface WordPiece {
  /** Kernel row that the piece comes from. */
  readonly row: number;
  /** Byte offset in the row, from the leftmost tap. */
  readonly offset: number;
  /** 1 to 8. */
  readonly bytes: number;
  /** Position in the word, in bytes. */
  readonly position: number;
}

export interface Region {
  readonly address: number;
  readonly bytes: number;
}

/** The scratch area of a layer without weights. */
export const NO_SCRATCH: Region = { address: 0, bytes: 0 };

/** Where a layer's constants lie in weights.bin. */
export interface WeightSlice {
  readonly offset: number;
  readonly bytes: number;
}

export interface LayerBase {
  /** The name of the tensor that the layer makes. */
  readonly name: string;
  readonly outputShape: readonly number[];
  readonly output: Region;
  readonly weights: WeightSlice;
  /** Where the weights are copied to. */
  readonly scratch: Region;
  /** The layer loads its weights itself, part by part: it is told where its slice begins. */
  readonly loadsItself?: true;
  readonly macs: number;
  readonly weightBits: number;
  readonly activationBits: number;
}

/** relu(stream - shift) summed over windows, rounded to unsigned 8 bits, channels outermost. */
export interface ExitPoolLayer extends LayerBase {
  readonly kind: "exit-pool";
  readonly input: Region;
  readonly inputShape: readonly [number, number, number];
  readonly window: readonly [number, number];
  /** Right shift of a window's sum; negative shifts left. */
  readonly shift: number;
}

/** Logits of the exit, one row of weights at a time, then entropy and decision. */
export interface DenseExitLayer extends LayerBase {
  readonly kind: "dense-exit";
  readonly input: Region;
  /** Whether the input's bytes are signed. */
  readonly signed: boolean;
  readonly rowBytes: number;
  /** A logit is an integer times 2^logitExponent. */
  readonly logitExponent: number;
  /** Tables of exp and ln, in weights.bin. */
  readonly tables: WeightSlice;
}

/** Thresholds an 8-bit stream to levels of 1, 2 or 4 bits and packs them. */
export interface PayloadLayer extends LayerBase {
  readonly kind: "payload";
  readonly input: Region;
  readonly inputShape: readonly [number, number, number];
  readonly bits: 1 | 2 | 4;
}

/** A layer of the native profile: the module calls the host's kernel of that name. */
export interface NativeLayer extends LayerBase {
  readonly kind: "native";
  /** An import of the module "hedge_native". */
  readonly kernel: "binary_conv" | "exit_pool" | "image_conv" | "pack_levels";
  /** i32 words at the beginning of the weights, which the kernel in firmware-wasm/kernels describes. */
  readonly descriptor: readonly number[];
}

export type Layer =
  | NativeLayer
  | SumLayer
  | BinaryConvLayer
  | ExitPoolLayer
  | DenseExitLayer
  | PayloadLayer
  | ElementLayer;

/** A layer of a plan, and why it is computed by that kernel. */
export type PlannedLayer = Layer & { readonly why: string };

/** The packed features at the cut: a level q stands for (q + offset) * scale. */
export interface PayloadRegion extends Region {
  readonly bits: 1 | 2 | 4 | 8;
  readonly scale: number;
  readonly offset: number;
  readonly shape: readonly number[];
}

/** The output of an edge-only model: an integer n of the result row stands for (n - zero) * step. */
export interface OutputSpec {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly step: number;
  readonly zero: number;
  /** Whether it is a vector of logits, of which the row's label is the largest. */
  readonly labels: boolean;
}

export interface Plan {
  readonly name: string;
  readonly layers: readonly PlannedLayer[];
  /** Layers of each step: a step is one call of the module. */
  readonly steps: readonly (readonly PlannedLayer[])[];
  readonly weights: Uint8Array;
  /** Linear memory in bytes. */
  readonly memoryBytes: number;
  /** What lies there; lifetimes are counted in layers, one more for what the host reads at the end. */
  readonly buffers: readonly PlacedBuffer[];
  readonly input: Region;
  readonly threshold: number;
  readonly result: Region;
  /** Hybrid models: what an offloaded sample sends. */
  readonly payload?: PayloadRegion;
  /** Hybrid models: what the integer 1 of a logit is worth. */
  readonly logitStep?: number;
  /** Edge-only models: what the result row holds. */
  readonly output?: OutputSpec;
}
