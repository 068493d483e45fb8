/** The first convolution, on 8-bit pixels: one i64 multiplication serves two output channels. */
import type { GridConvLayer } from "../plan/plan.ts";
import type { Code, Expression } from "./code.ts";

/** Up to this many taps are held in locals; with more, each is loaded again for every pair of channels. */
const MAX_HELD_TAPS = 40;

/** A function without parameters: every address is known. */
export function emitGridConv(code: Code, layer: GridConvLayer): Expression {
  return code.block(...spread(code, layer), ...convolve(code, layer));
}

/**
 * Moves the image's rows apart to make room for zero padding, in place, last row first: a row's new place never lies before
 * its old one. The gap in front of a row is zeroed when the row has moved.
 */
function spread(code: Code, { input, inputShape, pads }: GridConvLayer): Expression[] {
  const [channels, height, width] = inputShape;
  const [top, left, bottom, right] = pads;
  if (pads.every((n) => n === 0)) return [];
  const { memory } = code.module;
  const paddedWidth = width + left + right;
  const planeGap = (top + bottom) * paddedWidth;
  const from = code.pointer();
  const to = code.pointer();
  const fill = (at: Expression, bytes: number): Expression[] =>
    bytes === 0 ? [] : [memory.fill(at, code.i32(0), code.i32(bytes))];
  const end = input.address + channels * (height + top + bottom) * paddedWidth;
  const tail = bottom * paddedWidth + right;
  const row = (gap: number): Expression[] => [
    from.advance(-width),
    to.advance(-width),
    memory.copy(to.get, from.get, code.i32(width)),
    ...fill(to.plus(-gap), gap),
    to.advance(-gap),
  ];
  const gap = left + right;
  const plane = (firstGap: number): Expression[] => [
    ...(height > 1 ? [code.repeat(height - 1, row(gap))] : []),
    ...row(firstGap),
  ];
  return [
    from.set(code.i32(input.address + channels * height * width)),
    to.set(code.i32(end - tail)),
    ...fill(code.i32(end - tail), tail),
    ...(channels > 1 ? [code.repeat(channels - 1, plane(gap + planeGap))] : []),
    ...plane(left + top * paddedWidth),
  ];
}

function convolve(code: Code, layer: GridConvLayer): Expression[] {
  const { i32, i64 } = code.module;
  const [channels, height, width] = layer.inputShape;
  const [top, left, bottom, right] = layer.pads;
  const [rows, columns] = layer.kernel;
  const paddedWidth = width + left + right;
  const plane = paddedWidth * (height + top + bottom);
  const [outputs, outHeight, outWidth] = layer.outputShape as [number, number, number];
  const pixel = code.pointer();
  const out = code.pointer();
  const weights = code.pointer();
  const value = code.pointer();
  const sum = code.word();

  const offsets: number[] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) offsets.push(c * plane + y * paddedWidth + x);
  const held = offsets.length <= MAX_HELD_TAPS ? offsets.map(() => code.word()) : undefined;
  const load = (tap: number): Expression => i64.load8_s(offsets[tap]!, 1, pixel.get);
  const store = (lane: Expression, channel: number): Expression[] => [
    value.set(i32.shr_s(lane, code.i32(layer.shift))),
    ...code.clip(value, -128, 127),
    i32.store8(channel, 1, out.get, value.get),
  ];
  const pairs = Math.ceil(outputs / 2);
  const recordBytes = 8 * (offsets.length + 1);
  const pair: Expression[] = [
    sum.set(i64.load(0, 8, weights.get)),
    ...offsets.map((_, tap) =>
      sum.set(i64.add(i64.mul(i64.load(8 * (tap + 1), 8, weights.get), held ? held[tap]!.get : load(tap)), sum.get)),
    ),
    ...store(i32.wrap(sum.get), 0),
    // The low lane's sign has borrowed from the high lane; adding 2^31 gives it back.
    ...store(i32.wrap(i64.shr_s(i64.add(sum.get, code.i64(1n << 31n)), code.i64(32n))), 1),
    out.advance(2),
    weights.advance(recordBytes),
  ];
  const perPixel: Expression[] = [
    ...(held ?? []).map((local, tap) => local.set(load(tap))),
    weights.set(code.i32(layer.scratch.address)),
    code.repeat(pairs, pair),
    // With an odd number of channels the last high lane was stored over the next pixel, which comes later.
    ...(outputs % 2 === 1 ? [out.advance(-1)] : []),
    pixel.advance(layer.strides[1]),
  ];
  return [
    pixel.set(code.i32(layer.input.address)),
    out.set(code.i32(layer.output.address)),
    code.repeat(outHeight, [
      code.repeat(outWidth, perPixel),
      pixel.advance(layer.strides[0] * paddedWidth - outWidth * layer.strides[1]),
    ]),
  ];
}
