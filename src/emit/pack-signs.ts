/** Packs a map's signs, or an 8-bit stream behind thresholds, to padded bits: eight channels at a time. */

import type { BinaryConvLayer } from "../plan/binary-layers.ts";
import { bytesPerPixel } from "../plan/packing.ts";
import type { Code, Expression, Local } from "./code.ts";

const SIGN_BYTES = 0x8080808080808080n;
/** (x & SIGN_BYTES) * this gathers the signs of the bytes in the top byte, that of the first byte lowest. */
const GATHER_SIGNS = 0x0002040810204081n;
/** Threshold tables for up to this many groups of eight channels are held in locals. */
const MAX_HELD_GROUPS = 8;

/** [height, width] of the map of bits, padding included. */
export function paddedSize({ inputShape, pads }: BinaryConvLayer): [number, number] {
  return [inputShape[1] + pads[0] + pads[2], inputShape[2] + pads[1] + pads[3]];
}

/** Writes the padding pixel everywhere, by copying twice as much each time. */
export function fillWithPadding(code: Code, layer: BinaryConvLayer): Expression[] {
  if (layer.pads.every((n) => n === 0)) return [];
  const { memory } = code.module;
  const pixel = bytesPerPixel(layer.inputShape[0]);
  const bits = layer.bits.address;
  const [paddedHeight, paddedWidth] = paddedSize(layer);
  const total = paddedHeight * paddedWidth * pixel;
  const copies = [memory.copy(code.i32(bits), code.i32(layer.scratch.address + layer.padPixelOffset), code.i32(pixel))];
  for (let filled = pixel; filled < total; filled *= 2)
    copies.push(memory.copy(code.i32(bits + filled), code.i32(bits), code.i32(Math.min(filled, total - filled))));
  return copies;
}

/** The sign bits of eight bytes, packed at the top of a word; `channels` of them belong to the pixel. */
function gatherSigns(code: Code, bytes: Expression, channels: number): Expression {
  const { i64 } = code.module;
  const signs = channels < 8 ? SIGN_BYTES & ((1n << BigInt(8 * channels)) - 1n) : SIGN_BYTES;
  return i64.shr_u(i64.mul(i64.and(bytes, code.i64(signs)), code.i64(GATHER_SIGNS)), code.i64(56n));
}

export function packSigns(code: Code, layer: BinaryConvLayer): Expression[] {
  const { i64 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const groups = Math.ceil(channels / 8);
  const pixelBytes = bytesPerPixel(channels);
  const paddedWidth = paddedSize(layer)[1];
  const from = code.pointer();
  const to = code.pointer();
  const compare = layer.thresholds ? new Comparison(code, layer) : undefined;
  const group = (g: number): Expression => {
    const bytes = i64.load(8 * g, 1, from.get);
    return i64.store8(g, 1, to.get, gatherSigns(code, compare ? compare.reached(g, bytes) : bytes, channels - 8 * g));
  };
  const inside = layer.bits.address + (layer.pads[0] * paddedWidth + layer.pads[1]) * pixelBytes;
  return [
    ...(compare ? compare.start() : []),
    from.set(code.i32(layer.input.address)),
    to.set(code.i32(inside)),
    code.repeat(height, [
      code.repeat(width, [
        ...Array.from({ length: groups }, (_, g) => group(g)),
        from.advance(channels),
        to.advance(pixelBytes),
      ]),
      ...(paddedWidth > width ? [to.advance((paddedWidth - width) * pixelBytes)] : []),
    ]),
  ];
}

/** Compares bytes with the tables of packThresholds: their sign bits become u >= 128 + t with u = byte ^ mask. */
class Comparison {
  readonly #u: Local;
  readonly #held: readonly Local[];

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    const groups = Math.ceil(layer.inputShape[0] / 8);
    this.#u = code.word();
    this.#held = Array.from({ length: groups <= MAX_HELD_GROUPS ? 2 * groups : 0 }, () => code.word());
  }

  start(): Expression[] {
    return this.#held.map((local, index) => local.set(this.#entry(index)));
  }

  /**
   * Where the high bit of u is set it remains to compare the low seven bits with t: with the high bits of all bytes set, subtracting t
   * borrows from no other byte and leaves a high bit set exactly where they reach t.
   */
  reached(group: number, bytes: Expression): Expression {
    const { i64 } = this.code.module;
    const u = this.#u.tee(i64.xor(bytes, this.#table(2 * group)));
    return i64.and(i64.sub(i64.or(u, this.code.i64(SIGN_BYTES)), this.#table(2 * group + 1)), this.#u.get);
  }

  #table(index: number): Expression {
    return this.#held[index]?.get ?? this.#entry(index);
  }

  #entry(index: number): Expression {
    return this.code.module.i64.load(this.layer.scratch.address + 8 * index, 8, this.code.i32(0));
  }
}
