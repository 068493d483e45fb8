/** Gathers one 64-bit word of packed activations around a pixel. */
import type { WordPiece } from "../plan/plan.ts";
import type { Code, Expression, Local } from "./code.ts";

/** @param rowStride bytes from one row of packed bits to the next */
export function loadWord(code: Code, pixel: Local, pieces: readonly WordPiece[], rowStride: number): Expression {
  return pieces
    .map((piece) => {
      const value = loadBytes(code, pixel, piece.row * rowStride + piece.offset, piece.bytes);
      return piece.position === 0 ? value : code.module.i64.shl(value, code.i64(BigInt(piece.position * 8)));
    })
    .reduce((word, value) => code.module.i64.or(word, value));
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
