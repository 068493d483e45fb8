/** Gathers one word of packed activations around a pixel. */
import { isHalf } from "../plan/packing.ts";
import type { WordPiece } from "../plan/plan.ts";
import type { Code, Expression, Local } from "./code.ts";

/**
 * @param rowStride bytes from one row of packed bits to the next
 * @param ahead bytes from `pixel` to the pixel that is meant
 * @returns an i64, or for a half word an i32
 */
export function loadWord(
  code: Code,
  pixel: Local,
  pieces: readonly WordPiece[],
  rowStride: number,
  ahead = 0,
): Expression {
  const { i32, i64 } = code.module;
  const half = isHalf(pieces);
  const shifted = (value: Expression, bits: number): Expression =>
    half ? i32.shl(value, code.i32(bits)) : i64.shl(value, code.i64(BigInt(bits)));
  return pieces
    .map(({ row, offset, bytes, position }) => {
      const at = ahead + row * rowStride + offset;
      // What shifting pushes out of the word need not be masked.
      const read = position + bytes === (half ? 4 : 8) ? position + bytes : bytes;
      const value = half ? loadHalf(code, pixel, at, read) : loadBytes(code, pixel, at, read);
      return position === 0 ? value : shifted(value, position * 8);
    })
    .reduce((word, value) => (half ? i32.or(word, value) : i64.or(word, value)));
}

/** The next `bytes` bytes as an unsigned number; buffers have slack for reading a whole word at their end. */
function loadBytes(code: Code, base: Local, offset: number, bytes: number): Expression {
  const { i64 } = code.module;
  switch (bytes) {
    case 1:
      return i64.load8_u(offset, 1, base.get);
    case 2:
      return i64.load16_u(offset, 1, base.get);
    case 4:
      return i64.load32_u(offset, 1, base.get);
    case 8:
      return i64.load(offset, 1, base.get);
    default:
      return i64.and(i64.load(offset, 1, base.get), code.i64((1n << BigInt(bytes * 8)) - 1n));
  }
}

function loadHalf(code: Code, base: Local, offset: number, bytes: number): Expression {
  const { i32 } = code.module;
  switch (bytes) {
    case 1:
      return i32.load8_u(offset, 1, base.get);
    case 2:
      return i32.load16_u(offset, 1, base.get);
    case 4:
      return i32.load(offset, 1, base.get);
    default:
      return i32.and(i32.load(offset, 1, base.get), code.i32(0xffffff));
  }
}
