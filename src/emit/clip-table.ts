/** Fills the table by which a kernel limits integers to signed bytes: one load costs less than two comparisons and selections. */
import type { ClipTable } from "../plan/binary-layers.ts";
import type { Code, Expression } from "./code.ts";

const BYTES = 256;
const COUNT_UP = 0x0706050403020100n;
const EIGHT_EACH = 0x0808080808080808n;
const SIGN_BYTES = 0x8080808080808080n;

/** @param counts address of two i32: entries below -128, entries above 127 */
export function fillClipTable(code: Code, { region }: ClipTable, counts: number): Expression[] {
  const { i32, i64, memory } = code.module;
  const below = i32.load(counts, 4, code.i32(0));
  const above = i32.load(counts + 4, 4, code.i32(0));
  const at = code.pointer();
  const bytes = code.word();
  return [
    at.set(below),
    memory.fill(code.i32(region.address), code.i32(-128), at.get),
    bytes.set(code.i64(COUNT_UP)),
    code.repeat(BYTES / 8, [
      i64.store(region.address, 1, at.get, i64.xor(bytes.get, code.i64(SIGN_BYTES))),
      bytes.set(i64.add(bytes.get, code.i64(EIGHT_EACH))),
      at.advance(8),
    ]),
    memory.fill(at.plus(region.address), code.i32(127), above),
  ];
}
