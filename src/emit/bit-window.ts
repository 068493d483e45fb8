/**
 * The packed rows under a kernel, in bit planes: for each row of outputs the rows move up, and new ones are packed below. Eight bytes become one
 * byte of a plane by a multiplication that gathers their bits.
 */
import type { PlaneConvLayer } from "../plan/sum-layers.ts";
import type { Code, Expression, Local } from "./code.ts";

/** (x & LOW_BITS) * GATHER has the lowest bits of x's bytes in its top byte, the first byte's lowest. */
const LOW_BITS = 0x0101010101010101n;
const GATHER = 0x0102040810204080n;

/** Groups of eight channels that are packed without a loop. */
const MAX_UNROLLED = 4;

export function planeBytes({ windowRows, rowBytes }: PlaneConvLayer): number {
  return windowRows * rowBytes;
}

export class BitWindow {
  /** Points to what the first output of a row looks at, after `enterRow`. */
  readonly pixel: Local;
  /** The next row of the input to be packed, counted from its first, and its address. */
  readonly #row: Local;
  readonly #from: Local;
  readonly #eight: Local;

  constructor(
    private readonly code: Code,
    private readonly layer: PlaneConvLayer,
  ) {
    this.pixel = code.pointer();
    this.#row = code.pointer();
    this.#from = code.pointer();
    this.#eight = code.word();
  }

  /** Fills the window with padding, and the rows below the first with what precedes the first row of outputs. */
  start(): Expression[] {
    const { code, layer } = this;
    const { input, top, inputRowStride, windowRows, padded } = layer;
    const ahead = windowRows - this.#newRows();
    return [
      this.#row.set(code.i32(-top)),
      this.#from.set(code.i32(input.address - top * inputRowStride)),
      ...(padded ? this.#pad(code.i32(layer.bits.address), windowRows) : []),
      ...(ahead > 0 ? this.#pack(this.#newRows(), ahead) : []),
    ];
  }

  enterRow(): Expression[] {
    const { code, layer } = this;
    const { bits, windowRows, rowBytes, planes, strides, inputRowStride } = layer;
    const fresh = this.#newRows();
    const kept = windowRows - fresh;
    const skipped = strides[0] - fresh;
    const { memory } = code.module;
    const moves = planes.map((_, p) => {
      const at = bits.address + p * planeBytes(layer);
      return memory.copy(code.i32(at), code.i32(at + fresh * rowBytes), code.i32(kept * rowBytes));
    });
    return [
      ...(kept > 0 ? moves : []),
      ...this.#pack(kept, fresh),
      ...(skipped > 0 ? [this.#row.advance(skipped), this.#from.advance(skipped * inputRowStride)] : []),
      this.pixel.set(code.i32(bits.address)),
    ];
  }

  /** Rows that one row of outputs looks at and the one before it does not. */
  #newRows(): number {
    return Math.min(this.layer.strides[0], this.layer.windowRows);
  }

  /** Packs the next `count` rows of the input into the window's rows from `at` on. */
  #pack(at: number, count: number): Expression[] {
    const { code, layer } = this;
    const { i32 } = code.module;
    const { bits, rowBytes, left, pixelBytes, inputShape, inputRowStride, inputPixelStride, padded } = layer;
    const [, height, width] = inputShape;
    const to = code.pointer();
    const row = code.block(
      code.repeat(width, this.#packPixel(to)),
      this.#from.advance(-width * inputPixelStride),
      to.advance(-width * pixelBytes),
    );
    const blank = code.block(to.advance(-left * pixelBytes), ...this.#pad(to.get, 1), to.advance(left * pixelBytes));
    return [
      to.set(code.i32(bits.address + at * rowBytes + left * pixelBytes)),
      code.repeat(count, [
        padded ? code.module.if(i32.lt_u(this.#row.get, code.i32(height)), row, blank) : row,
        this.#row.advance(1),
        this.#from.advance(inputRowStride),
        to.advance(rowBytes),
      ]),
    ];
  }

  /** Packs one pixel, and moves on to the next. */
  #packPixel(to: Local): Expression[] {
    const { code, layer } = this;
    const { pixelBytes, inputPixelStride } = layer;
    if (pixelBytes <= MAX_UNROLLED) {
      const groups = Array.from({ length: pixelBytes }, (_, g) => this.#packEight(to, g));
      return [...groups.flat(), this.#from.advance(inputPixelStride), to.advance(pixelBytes)];
    }
    const beyond = inputPixelStride - 8 * pixelBytes;
    return [
      code.repeat(pixelBytes, [...this.#packEight(to, 0), this.#from.advance(8), to.advance(1)]),
      ...(beyond === 0 ? [] : [this.#from.advance(beyond)]),
    ];
  }

  #packEight(to: Local, group: number): Expression[] {
    const { code, layer } = this;
    const { i64 } = code.module;
    return [
      this.#eight.set(i64.load(8 * group, 1, this.#from.get)),
      ...layer.planes.map(({ bit }, p) => {
        const moved = bit === 0 ? this.#eight.get : i64.shr_u(this.#eight.get, code.i64(BigInt(bit)));
        const gathered = i64.mul(i64.and(moved, code.i64(LOW_BITS)), code.i64(GATHER));
        return i64.store8(p * planeBytes(layer) + group, 1, to.get, i64.shr_u(gathered, code.i64(56n)));
      }),
    ];
  }

  /** Rows of padding. Bits beyond the channels meet weights of 0. */
  #pad(at: Expression, rows: number): Expression[] {
    const { code, layer } = this;
    const to = code.pointer();
    return [
      to.set(at),
      ...layer.planes.map(({ pad }, p) =>
        code.module.memory.fill(
          p === 0 ? to.get : to.plus(p * planeBytes(layer)),
          code.i32(pad === 1 ? 0xff : 0),
          code.i32(rows * layer.rowBytes),
        ),
      ),
    ];
  }
}
