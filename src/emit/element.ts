/** Loads and stores a tensor's elements. */
import type { Element } from "../plan/element.ts";
import type { Code, Expression, Local } from "./code.ts";

/** An i32 from memory. */
export function loadElement(code: Code, { bytes, signed }: Element, address: number, base: Expression): Expression {
  const { i32 } = code.module;
  if (bytes === 4) return i32.load(address, 1, base);
  if (bytes === 2) return signed ? i32.load16_s(address, 1, base) : i32.load16_u(address, 1, base);
  return signed ? i32.load8_s(address, 1, base) : i32.load8_u(address, 1, base);
}

export function storeElement(
  code: Code,
  { bytes }: Element,
  address: number,
  base: Local,
  value: Expression,
): Expression {
  const { i32 } = code.module;
  if (bytes === 4) return i32.store(address, 1, base.get, value);
  return bytes === 2 ? i32.store16(address, 1, base.get, value) : i32.store8(address, 1, base.get, value);
}

/** An i64 from memory. */
export function loadWide(code: Code, { bytes, signed }: Element, address: number, base: Expression): Expression {
  const { i64 } = code.module;
  if (bytes === 4) return signed ? i64.load32_s(address, 1, base) : i64.load32_u(address, 1, base);
  if (bytes === 2) return signed ? i64.load16_s(address, 1, base) : i64.load16_u(address, 1, base);
  return signed ? i64.load8_s(address, 1, base) : i64.load8_u(address, 1, base);
}
