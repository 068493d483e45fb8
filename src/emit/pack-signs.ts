/** Thresholds an 8-bit stream to packed and padded bits, eight channels at a time. */
import { bytesPerPixel } from "../plan/packing.ts";
import type { BinaryConvLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";

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

/**
 * bit = (u >= 128 + t) with u = n ^ mask, as packThresholds explains. Where the high bit of u is set it remains to compare the low seven
 * bits with t: with the high bits of all bytes set, subtracting t borrows from no other byte and leaves a high bit set exactly where
 * they reach t.
 */
export function packSigns(code: Code, layer: BinaryConvLayer): Expression[] {
  const { i64 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const groups = Math.ceil(channels / 8);
  const pixelBytes = bytesPerPixel(channels);
  const paddedWidth = paddedSize(layer)[1];
  const from = code.pointer();
  const to = code.pointer();
  const u = code.word();
  const entry = (index: number): Expression => i64.load(layer.scratch.address + 8 * index, 8, code.i32(0));
  const held = groups <= MAX_HELD_GROUPS ? Array.from({ length: 2 * groups }, () => code.word()) : undefined;
  const table = (index: number): Expression => held?.[index]!.get ?? entry(index);
  const group = (g: number): Expression => {
    const unsigned = u.tee(i64.xor(i64.load(8 * g, 1, from.get), table(2 * g)));
    const reached = i64.and(i64.sub(i64.or(unsigned, code.i64(SIGN_BYTES)), table(2 * g + 1)), u.get);
    const bits = i64.mul(i64.and(reached, code.i64(SIGN_BYTES)), code.i64(GATHER_SIGNS));
    return i64.store8(g, 1, to.get, i64.shr_u(bits, code.i64(56n)));
  };
  const inside = layer.bits.address + (layer.pads[0] * paddedWidth + layer.pads[1]) * pixelBytes;
  return [
    ...(held ?? []).map((local, index) => local.set(entry(index))),
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
