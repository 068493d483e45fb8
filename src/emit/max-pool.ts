/** The largest element of each window: bytes eight at a time in one i64. */
import type { MaxPoolLayer } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement, storeElement } from "./element.ts";
import { walkWindows } from "./windows.ts";

const SIGNS = 0x8080808080808080n;

export function emitMaxPool(code: Code, layer: MaxPoolLayer): Expression {
  const { element, window, input, output } = layer;
  const { memory, i32 } = code.module;
  const channels = window.inputShape[0];
  const out = code.pointer();
  const [to, from] = [code.pointer(), code.pointer()];
  const step = element.bytes === 1 ? 8 : element.bytes;
  // Of bytes the last eight may reach beyond the pixel: into the next, which is written later, or into the buffer's slack.
  const rounds = Math.ceil((channels * element.bytes) / step);
  const larger =
    element.bytes === 1 ? largerBytes(code, element.signed, to, from) : largerElement(code, layer, to, from);
  return code.block(
    out.set(code.i32(output.address)),
    ...walkWindows(code, input.address, element.bytes, window, {
      begin: (first) => [memory.copy(out.get, first.get, code.i32(channels * element.bytes))],
      pixel: (at) => [
        to.set(out.get),
        from.set(at.get),
        code.repeat(rounds, [...larger, ...(rounds > 1 ? [to.advance(step), from.advance(step)] : [])]),
      ],
      end: () => [out.set(i32.add(out.get, code.i32(channels * element.bytes)))],
    }),
  );
}

/** [to] = max([to], [from]) */
function largerElement(code: Code, { element }: MaxPoolLayer, to: Local, from: Local): Expression[] {
  const { i32, select } = code.module;
  const [a, b] = [code.pointer(), code.pointer()];
  const greater = element.bytes === 4 && !element.signed ? i32.gt_u : i32.gt_s;
  return [
    a.set(loadElement(code, element, 0, to.get)),
    b.set(loadElement(code, element, 0, from.get)),
    storeElement(code, element, 0, to, select(greater(a.get, b.get), a.get, b.get)),
  ];
}

/**
 * The same of eight bytes. With the sign bits of a set and those of b cleared, the difference has its sign bit where the low seven bits of
 * a reach those of b; where the sign bits differ, they decide.
 */
function largerBytes(code: Code, signed: boolean, to: Local, from: Local): Expression[] {
  const { i64 } = code.module;
  const [a, b, differ] = [code.word(), code.word(), code.word()];
  const reaches = i64.sub(i64.or(a.get, code.i64(SIGNS)), i64.and(b.get, code.i64(~SIGNS)));
  const wins = signed ? b : a;
  const ahead = i64.or(i64.and(differ.get, wins.get), i64.and(i64.xor(differ.get, code.i64(-1n)), reaches));
  // 1 in each byte where a is the larger, then 255.
  const mask = i64.mul(i64.and(i64.shr_u(ahead, code.i64(7n)), code.i64(SIGNS >> 7n)), code.i64(255n));
  return [
    a.set(i64.load(0, 1, to.get)),
    b.set(i64.load(0, 1, from.get)),
    differ.set(i64.xor(a.get, b.get)),
    i64.store(0, 1, to.get, i64.xor(i64.and(mask, differ.get), b.get)),
  ];
}
