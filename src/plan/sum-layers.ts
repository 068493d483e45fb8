/** The layers that sum up products of integers of any width, and end in an epilogue. */
import type { BitPlane } from "./bit-planes.ts";
import type { Element } from "./element.ts";
import type { CopyLoop } from "./element-layers.ts";
import type { Epilogue } from "./epilogue.ts";
import type { Lanes } from "./lanes.ts";
import type { LayerBase, Region, WordPiece } from "./plan.ts";
import type { RowWindow } from "./row-window.ts";

/** A convolution, of any integers, in SWAR lanes: src/plan/lane-conv.ts. */
export interface LaneConvLayer extends LayerBase {
  readonly kind: "lane-conv";
  readonly window: RowWindow;
  /** How an activation is stored. */
  readonly element: Element;
  /** Bits of a weight in weights.bin, and whether they have a sign. */
  readonly fieldBits: number;
  readonly weightsSigned: boolean;
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  /** From an output's pixel to that of the next. */
  readonly strideBytes: number;
  /** Loops over chunks of taps, moving by bytes, and the byte offsets of a chunk's taps. */
  readonly loops: readonly Pick<CopyLoop, "count" | "from">[];
  readonly offsets: readonly number[];
  readonly lanes: Lanes;
  /** The head holds what each group's word of sums starts with; the epilogue has no records then. */
  readonly ownStarts: boolean;
  /** The layer is worked through in parts of this many outputs, each with its own weights; groups read channels further on. */
  readonly blocks: number;
  readonly blockOutputs: number;
  /** Words of weights per tap. */
  readonly groups: number;
  readonly blockInputBytes: number;
  /** Bytes of the head in front of the weights: the epilogue's records. */
  readonly recordsBytes: number;
  /** Words of whole lanes, or one i32 per output of a block. */
  readonly sums: Region;
  readonly epilogue: Epilogue;
}

/** A convolution of integers of few bits, in planes of single bits: src/plan/plane-conv.ts. */
export interface PlaneConvLayer extends LayerBase {
  readonly kind: "plane-conv";
  readonly input: Region;
  /** [channels, height, width]; bytes, channels innermost. */
  readonly inputShape: readonly [number, number, number];
  readonly inputRowStride: number;
  readonly inputPixelStride: number;
  /** [outputs, height, width] */
  readonly map: readonly [number, number, number];
  readonly strides: readonly [number, number];
  /** Padding above and to the left, and whether there is any at all. */
  readonly top: number;
  readonly left: number;
  readonly padded: boolean;
  /** Rows between those that a kernel looks at. */
  readonly dilation: number;
  /** The packed rows under the kernel, plane after plane: `windowRows` rows of `rowBytes`, padding included. */
  readonly bits: Region;
  readonly pixelBytes: number;
  readonly rowBytes: number;
  readonly windowRows: number;
  /** The activations' planes, and the bit of each in the padding. */
  readonly planes: readonly (BitPlane & { readonly pad: 0 | 1 })[];
  readonly weightPlanes: readonly BitPlane[];
  /** What all weights have besides their planes: times the sum of the activations it is added. */
  readonly weightConstant: number;
  /** Loops over chunks of words, moving by bytes, and the words of a chunk. */
  readonly loops: readonly Pick<CopyLoop, "count" | "from">[];
  readonly words: readonly (readonly WordPiece[])[];
  /** Bytes of the epilogue's records, which come first; then, with a constant, the mask words of each chunk; then the filters. */
  readonly recordsBytes: number;
  readonly blocks: number;
  readonly blockOutputs: number;
  /** One i32 per output of a block, where there are several chunks. */
  readonly sums: Region;
  readonly epilogue: Epilogue;
}

/** A convolution of each channel for itself: src/plan/depthwise-conv.ts. */
export interface DepthwiseConvLayer extends LayerBase {
  readonly kind: "depthwise-conv";
  readonly window: RowWindow;
  /** How an activation and a weight are stored. */
  readonly element: Element;
  readonly weightElement: Element;
  /** [channels, height, width] */
  readonly map: readonly [number, number, number];
  /** From an output's pixel to that of the next, and from a channel to the next. */
  readonly strideBytes: number;
  readonly channelBytes: number;
  /** Byte offsets of the taps. A channel's record: one weight for each, then the epilogue's. */
  readonly offsets: readonly number[];
  readonly epilogue: Epilogue;
}

/** A fully connected layer: src/plan/dense.ts. */
export interface DenseLayer extends LayerBase {
  readonly kind: "dense";
  readonly input: Region;
  readonly element: Element;
  readonly inputs: number;
  readonly outputs: number;
  /** The inputs are worked through in parts of as many, whose weights are loaded one after another. */
  readonly pieces: number;
  readonly pieceInputs: number;
  /** Bits of a weight in weights.bin. */
  readonly fieldBits: 4 | 8;
  /** What is added to a stored weight. */
  readonly weightOffset: number;
  /** Bytes of the epilogue's records, which come first. */
  readonly recordsBytes: number;
  /** One i32 per output. */
  readonly sums: Region;
  readonly epilogue: Epilogue;
}

export type SumLayer = LaneConvLayer | PlaneConvLayer | DepthwiseConvLayer | DenseLayer;
