/** Moves elements: to another order, behind each other, into a frame. */
import type { CopyLayer, CopyLoop, CopyPart } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadElement, storeElement } from "./element.ts";

/** Elements of the innermost loop that are unrolled. */
const MAX_UNROLLED = 8;

export function emitCopy(code: Code, layer: CopyLayer): Expression {
  const from = code.pointer();
  const to = code.pointer();
  return code.block(
    ...(layer.fill === undefined ? [] : fill(code, layer, layer.fill, to)),
    ...layer.parts.flatMap((part) => [
      from.set(code.i32(part.input.address)),
      to.set(code.i32(layer.output.address + part.to)),
      ...copyPart(code, layer, part, from, to),
    ]),
  );
}

/** Writes an integer into every element of the output. */
function fill(code: Code, { output, element }: CopyLayer, value: number, to: Local): Expression[] {
  const bytes = Array.from({ length: element.bytes }, (_, i) => (value >> (8 * i)) & 255);
  if (bytes.every((byte) => byte === bytes[0]))
    return [code.module.memory.fill(code.i32(output.address), code.i32(bytes[0]!), code.i32(output.bytes))];
  return [
    to.set(code.i32(output.address)),
    code.repeat(output.bytes / element.bytes, [
      storeElement(code, element, 0, to, code.i32(value)),
      to.advance(element.bytes),
    ]),
  ];
}

function copyPart(code: Code, { element }: CopyLayer, part: CopyPart, from: Local, to: Local): Expression[] {
  const same = part.factor === 1 && part.element.bytes === element.bytes;
  const inner = part.loops.at(-1);
  if (same && inner && inner.from === element.bytes && inner.to === element.bytes) {
    const block = (): Expression[] => [
      code.module.memory.copy(to.get, from.get, code.i32(inner.count * element.bytes)),
    ];
    return walk(code, from, to, part.loops.slice(0, -1), block, 1);
  }
  return walk(code, from, to, part.loops, (f, t) => {
    const value = loadElement(code, part.element, f, from.get);
    const scaled = part.factor === 1 ? value : code.module.i32.mul(value, code.i32(part.factor));
    return [storeElement(code, element, t, to, scaled)];
  });
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
  maxUnrolled = MAX_UNROLLED,
): Expression[] {
  const [outer, ...inner] = loops;
  if (!outer) return element(0, 0);
  if (isUnrolled(outer, inner, maxUnrolled))
    return Array.from({ length: outer.count }, (_, i) => element(i * outer.from, i * outer.to)).flat();
  const used = advanced(inner, maxUnrolled);
  const move = (pointer: Local, by: number): Expression[] => (by === 0 ? [] : [pointer.advance(by)]);
  return [
    code.repeat(outer.count, [
      ...walk(code, from, to, inner, element, maxUnrolled),
      ...move(from, outer.from - used.from),
      ...move(to, outer.to - used.to),
    ]),
  ];
}

function isUnrolled({ count, from, to }: CopyLoop, inner: readonly CopyLoop[], maxUnrolled: number): boolean {
  return inner.length === 0 && count <= maxUnrolled && from >= 0 && to >= 0;
}

/** By how much loops leave the pointers behind where they found them. */
function advanced([outer, ...inner]: readonly CopyLoop[], maxUnrolled: number): Pick<CopyLoop, "from" | "to"> {
  if (!outer || isUnrolled(outer, inner, maxUnrolled)) return { from: 0, to: 0 };
  return { from: outer.count * outer.from, to: outer.count * outer.to };
}
