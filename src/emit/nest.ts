/** Nested loops that move one pointer. */
import type { Code, Expression, Local } from "./code.ts";

type Loops = readonly { readonly count: number; readonly from: number }[];

/** @param loops the innermost last: how often, and by how many bytes each iteration moves the pointer */
export function nest(code: Code, pointer: Local, loops: Loops, body: Expression[]): Expression[] {
  const [outer, ...inner] = loops;
  if (!outer) return body;
  const once = nest(code, pointer, inner, body);
  if (outer.count === 1) return once;
  const onward = outer.from - travel(inner);
  return [code.repeat(outer.count, [...once, ...(onward === 0 ? [] : [pointer.advance(onward)])])];
}

/** By how much the loops move the pointer. */
function travel(loops: Loops): number {
  const outer = loops.find(({ count }) => count > 1);
  return outer ? outer.count * outer.from : 0;
}
