/**
 * Descriptors of native kernels: the i32 words that a kernel in firmware-wasm/kernels reads, in front of the layer's constants. They hold
 * addresses, and so are written when memory has been placed.
 */
import type { ConvGeometry } from "../graph/operators/conv.ts";
import { bufferName, type Draft } from "./draft.ts";
import { align } from "./memory.ts";
import type { Layer, NativeLayer, Region } from "./plan.ts";

/** The words of a window (hedge_window): sizes of the map, of the output, of the kernel, its strides, the padding. */
export function windowWords(
  input: readonly [number, number, number],
  output: readonly [number, number, number],
  { kernel, strides, pads }: Pick<ConvGeometry, "kernel" | "strides" | "pads">,
): number[] {
  return [...input, ...output, ...kernel, ...strides, ...pads];
}

/** A layer's constants, one part behind the other; each begins at a multiple of 4. */
export class NativeConstants {
  readonly #parts: Uint8Array[] = [];
  #bytes: number;

  /** @param words of the descriptor in front */
  constructor(words: number) {
    this.#bytes = align(4 * words, 4);
    this.#parts.push(new Uint8Array(this.#bytes));
  }

  /** @returns where the part lies in the scratch area */
  add(part: ArrayBufferView): number {
    const at = this.#bytes;
    const bytes = new Uint8Array(align(part.byteLength, 4));
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    return at;
  }

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/** What a native kernel's draft adds to those of its pattern. */
export interface NativeDraft extends Pick<Draft, "name" | "buffers" | "replaces" | "why"> {
  readonly kernel: NativeLayer["kernel"];
  readonly constants: NativeConstants;
  readonly outputShape: readonly number[];
  readonly macs: number;
  readonly weightBits: number;
  readonly activationBits: number;
  /** @param scratch address of the descriptor */
  readonly descriptor: (region: (name: string) => Region, scratch: number) => readonly number[];
}

export function nativeDraft({ kernel, constants, buffers, descriptor, ...layer }: NativeDraft): Draft {
  const { name, replaces, why, ...shown } = layer;
  const scratch = bufferName("weights", name);
  const weights = constants.bytes;
  return {
    name,
    buffers: [...buffers, { name: scratch, bytes: weights.length }],
    weights,
    replaces,
    // One call of an import, whatever the layer.
    operations: 1,
    why,
    finish: (region, slice): NativeLayer => ({
      kind: "native",
      kernel,
      name,
      ...shown,
      output: region(name),
      weights: slice,
      scratch: region(scratch),
      descriptor: descriptor(region, region(scratch).address),
    }),
  };
}

/**
 * The native form of a portable layer whose constants the kernel reads as they are.
 * @param scratch the name of the buffer that holds them
 * @param words the descriptor
 */
export function nativeForm<Portable extends Layer>(
  draft: Draft,
  scratch: string,
  kernel: NativeLayer["kernel"],
  words: (layer: Portable) => readonly number[],
  count: number,
): Draft {
  const head = align(4 * count);
  const weights = new Uint8Array(head + draft.weights.length);
  weights.set(draft.weights, head);
  return {
    ...draft,
    buffers: draft.buffers.map(({ name, bytes }) => ({ name, bytes: name === scratch ? bytes + head : bytes })),
    weights,
    operations: 1,
    finish: (region, slice): NativeLayer => {
      const behindHead = (name: string): Region => {
        const { address, bytes } = region(name);
        return name === scratch ? { address: address + head, bytes: bytes - head } : { address, bytes };
      };
      const layer = draft.finish(behindHead, slice) as Portable;
      const { name, outputShape, output, macs, weightBits, activationBits } = layer;
      const shown = { name, outputShape, output, macs, weightBits, activationBits };
      return { kind: "native", kernel, ...shown, weights: slice, scratch: region(scratch), descriptor: words(layer) };
    },
  };
}
