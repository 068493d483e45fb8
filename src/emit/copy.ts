/** Moves elements to another order. */
import type { CopyLayer, CopyLoop } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";

/** Elements of the innermost loop that are unrolled. */
const MAX_UNROLLED = 8;

export function emitCopy(code: Code, { input, output, bytes, loops }: CopyLayer): Expression {
  const { i32 } = code.module;
  const from = code.pointer();
  const to = code.pointer();
  const move = (fromOffset: number, toOffset: number): Expression => {
    if (bytes === 1) return i32.store8(toOffset, 1, to.get, i32.load8_u(fromOffset, 1, from.get));
    if (bytes === 2) return i32.store16(toOffset, 1, to.get, i32.load16_u(fromOffset, 1, from.get));
    return i32.store(toOffset, 1, to.get, i32.load(fromOffset, 1, from.get));
  };
  return code.block(
    from.set(code.i32(input.address)),
    to.set(code.i32(output.address)),
    ...walk(code, from, to, loops, (f, t) => [move(f, t)]),
  );
}

/**
 * Nested loops with two moving pointers; `element` gets the offsets of an element from them. In the end the pointers are anywhere.
 */
export function walk(
  code: Code,
  from: Local,
  to: Local,
  loops: readonly CopyLoop[],
  element: (fromOffset: number, toOffset: number) => Expression[],
): Expression[] {
  const [outer, ...inner] = loops;
  if (!outer) return element(0, 0);
  const [offsetsFit, last] = [outer.from >= 0 && outer.to >= 0, inner.length === 0];
  if (last && outer.count <= MAX_UNROLLED && offsetsFit)
    return Array.from({ length: outer.count }, (_, i) => element(i * outer.from, i * outer.to)).flat();
  const [usedFrom, usedTo] = advanced(inner);
  return [
    code.repeat(outer.count, [
      ...walk(code, from, to, inner, element),
      ...move(from, outer.from - usedFrom),
      ...move(to, outer.to - usedTo),
    ]),
  ];

  function move(pointer: Local, by: number): Expression[] {
    return by === 0 ? [] : [pointer.advance(by)];
  }
}

/** By how much the loops leave the pointers behind where they found them. */
function advanced(loops: readonly CopyLoop[]): [number, number] {
  const [outer, ...inner] = loops;
  if (!outer) return [0, 0];
  if (inner.length === 0 && outer.count <= MAX_UNROLLED && outer.from >= 0 && outer.to >= 0) return [0, 0];
  return [outer.count * outer.from, outer.count * outer.to];
}
