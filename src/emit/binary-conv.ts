/** The binarized convolution: threshold and pack eight channels at a time, then xor and popcount in i64 words. */
import { RECORD_TAIL_BYTES } from "../plan/binary-conv.ts";
import { bytesPerPixel } from "../plan/packing.ts";
import type { BinaryConvLayer } from "../plan/plan.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadWord } from "./load-word.ts";

const SIGN_BYTES = 0x8080808080808080n;
/** (x & 0x0101...) * this gathers the lowest bit of each byte in the top byte, first byte lowest. */
const GATHER_BITS = 0x0102040810204080n;
const LOW_BITS = 0x0101010101010101n;
/** Threshold tables for up to this many groups of eight channels are held in locals. */
const MAX_HELD_GROUPS = 8;

export function emitBinaryConv(code: Code, layer: BinaryConvLayer): Expression {
  return code.block(...fillWithPadding(code, layer), ...packSigns(code, layer), ...convolve(code, layer));
}

/** Writes the padding pixel everywhere, by copying twice as much each time. */
function fillWithPadding(code: Code, layer: BinaryConvLayer): Expression[] {
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

function paddedSize({ inputShape, pads }: BinaryConvLayer): [number, number] {
  return [inputShape[1] + pads[0] + pads[2], inputShape[2] + pads[1] + pads[3]];
}

/**
 * Bits of the stream: bit = (n >= t) for eight signed bytes n at once. With the sign bits of n set, subtracting the low seven bits
 * of t leaves the sign bit set exactly where the low seven bits of n reach those of t. The rest is a majority of three sign
 * bits: of not n (n is positive), of that comparison, and of t (t is negative).
 */
function packSigns(code: Code, layer: BinaryConvLayer): Expression[] {
  const { i64 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const groups = Math.ceil(channels / 8);
  const pixelBytes = bytesPerPixel(channels);
  const paddedWidth = paddedSize(layer)[1];
  const from = code.pointer();
  const to = code.pointer();
  const n = code.word();
  const reaches = code.word();
  const held = groups <= MAX_HELD_GROUPS ? Array.from({ length: 2 * groups }, () => code.word()) : undefined;
  const table = (index: number): Expression =>
    held ? held[index]!.get : i64.load(layer.scratch.address + 8 * index, 8, code.i32(0));
  const group = (g: number): Expression[] => {
    const rest = channels - 8 * g;
    const bits = i64.shr_u(
      i64.mul(
        i64.and(
          i64.shr_u(
            i64.or(i64.and(n.get, reaches.get), i64.and(i64.or(n.get, reaches.get), table(2 * g + 1))),
            code.i64(7n),
          ),
          code.i64(LOW_BITS),
        ),
        code.i64(GATHER_BITS),
      ),
      code.i64(56n),
    );
    return [
      n.set(i64.load(8 * g, 1, from.get)),
      reaches.set(i64.sub(i64.or(n.get, code.i64(SIGN_BYTES)), table(2 * g))),
      n.set(i64.xor(n.get, code.i64(-1n))),
      i64.store8(g, 1, to.get, rest < 8 ? i64.and(bits, code.i64((1n << BigInt(rest)) - 1n)) : bits),
    ];
  };
  const inside = layer.bits.address + (layer.pads[0] * paddedWidth + layer.pads[1]) * pixelBytes;
  return [
    ...(held ?? []).map((local, index) => local.set(i64.load(layer.scratch.address + 8 * index, 8, code.i32(0)))),
    from.set(code.i32(layer.input.address)),
    to.set(code.i32(inside)),
    code.repeat(height, [
      code.repeat(width, [
        ...Array.from({ length: groups }, (_, g) => group(g)).flat(),
        from.advance(channels),
        to.advance(pixelBytes),
      ]),
      ...(paddedWidth > width ? [to.advance((paddedWidth - width) * pixelBytes)] : []),
    ]),
  ];
}

function convolve(code: Code, layer: BinaryConvLayer): Expression[] {
  const { inputShape, outputShape, strides, shortcut } = layer;
  const [outputs, outHeight, outWidth] = outputShape as [number, number, number];
  const [channels, , width] = inputShape;
  const pixelBytes = bytesPerPixel(channels);
  const rowStride = paddedSize(layer)[1] * pixelBytes;
  const pixel = code.pointer();
  const out = code.pointer();
  const weights = code.pointer();
  const value = code.pointer();
  const words = layer.words.map(() => code.word());
  const records = layer.scratch.address + layer.recordsOffset;

  /** The loop over `count` output channels; `added` is the shortcut's value for the channel at `out`, if any. */
  const channelsLoop = (count: number, added: Expression | undefined, moves: Expression[]): Expression[] => {
    if (count === 0) return [];
    const end = code.pointer();
    return [
      end.set(out.plus(count)),
      code.untilReaches(out, end.get, [
        value.set(accumulate(code, layer, weights, words, added)),
        ...code.clip(value, -128, 127),
        code.module.i32.store8(0, 1, out.get, value.get),
        weights.advance(layer.words.length * 8 + RECORD_TAIL_BYTES),
        out.advance(1),
        ...moves,
      ]),
    ];
  };

  const start = [pixel.set(code.i32(layer.bits.address)), out.set(code.i32(layer.output.address))];
  const gather = [
    ...words.map((word, i) => word.set(loadWord(code, pixel, layer.words[i]!, rowStride))),
    weights.set(code.i32(records)),
  ];
  const nextPixel = pixel.advance(strides[1] * pixelBytes);
  const nextRow = pixel.advance(strides[0] * rowStride - outWidth * strides[1] * pixelBytes);
  if (shortcut.kind !== "pooled") {
    const added = shortcut.kind === "identity" ? code.module.i32.load8_s(0, 1, out.get) : undefined;
    const perPixel = [...gather, ...channelsLoop(outputs, added, []), nextPixel];
    return [...start, code.repeat(outHeight, [code.repeat(outWidth, perPixel), nextRow])];
  }
  const [rows, columns] = shortcut.window;
  const window = code.pointer();
  const taps: Expression[] = [];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) taps.push(code.module.i32.load8_s((y * width + x) * channels, 1, window.get));
  const pooled = taps.reduce((sum, tap) => code.module.i32.add(tap, sum));
  const withShortcut = Math.min(channels, outputs);
  const perPixel = [
    ...gather,
    ...channelsLoop(withShortcut, pooled, [window.advance(1)]),
    ...channelsLoop(outputs - withShortcut, undefined, []),
    nextPixel,
    window.advance(columns * channels - withShortcut),
  ];
  return [
    ...start,
    window.set(code.i32(layer.input.address)),
    code.repeat(outHeight, [
      code.repeat(outWidth, perPixel),
      nextRow,
      window.advance((rows * width - outWidth * columns) * channels),
    ]),
  ];
}

/** ((shortcut << leftShift) + taps * alpha - 2 * alpha * mismatches) >> shift, rounded down. */
function accumulate(
  code: Code,
  layer: BinaryConvLayer,
  weights: Local,
  words: readonly Local[],
  added: Expression | undefined,
): Expression {
  const { i32, i64 } = code.module;
  const mismatches = words
    .map((word, i) => i64.popcnt(i64.xor(i64.load(8 * i, 8, weights.get), word.get)))
    .reduce((sum, count) => i64.add(sum, count));
  const tail = words.length * 8;
  const scaled = i32.sub(
    i32.load(tail, 4, weights.get),
    i32.mul(i32.load(tail + 4, 4, weights.get), i32.wrap(mismatches)),
  );
  const shift = (value: Expression, right: number): Expression =>
    right === 0 ? value : right > 0 ? i32.shr_s(value, code.i32(right)) : i32.shl(value, code.i32(-right));
  if (added === undefined || layer.shortcut.kind === "none") return shift(scaled, layer.shift);
  const { leftShift } = layer.shortcut;
  // Whole steps of the output pass the rounding unchanged: they are added behind it.
  if (leftShift >= layer.shift) return i32.add(shift(scaled, layer.shift), shift(added, layer.shift - leftShift));
  return shift(i32.add(scaled, shift(added, -leftShift)), layer.shift);
}
