/** Fills the table by which a kernel limits integers to signed bytes: one load costs less than two comparisons and selections. */
import type { ClipTable } from "../plan/binary-layers.ts";
import type { Code, Expression } from "./code.ts";

const BYTES = 256;
const COUNT_UP = 0x0706050403020100n;
const EIGHT_EACH = 0x0808080808080808n;
const SIGN_BYTES = 0x8080808080808080n;

/** @param counts address of two i32: entries below -128, entries above 127 */
export function fillClipTable(code: Code, { region }: ClipTable, counts: number): Expression {
  return code.callShared("clip-table", [code.i32(region.address), code.i32(counts)], fill);
}

function fill(code: Code): Expression {
  const { i32, i64, memory } = code.module;
  const [at, counts] = [code.parameter(0), code.parameter(1)];
  const below = code.pointer();
  const bytes = code.word();
  return code.block(
    below.set(i32.load(0, 4, counts.get)),
    memory.fill(at.get, code.i32(-128), below.get),
    at.set(i32.add(at.get, below.get)),
    bytes.set(code.i64(COUNT_UP)),
    code.repeat(BYTES / 8, [
      i64.store(0, 1, at.get, i64.xor(bytes.get, code.i64(SIGN_BYTES))),
      bytes.set(i64.add(bytes.get, code.i64(EIGHT_EACH))),
      at.advance(8),
    ]),
    memory.fill(at.get, code.i32(127), i32.load(4, 4, counts.get)),
  );
}
