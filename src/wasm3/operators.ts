/** What wasm3 makes of the plain operators of wasm: the names of its operations, by type and by where the operands lie. */
import type { ValueType } from "./wasm-code.ts";

export interface Operator {
  /** wasm3's operation without the suffix that says where its operands are. */
  readonly operation: string;
  readonly operands: 1 | 2;
  /** Two operands in either order are one operation. */
  readonly commutative: boolean;
  readonly result: ValueType | undefined;
  /** Loads and stores carry an offset. */
  readonly offset: boolean;
}

const LOADS = ["i32", "i64", "", "", "i8", "u8", "i16", "u16", "i8", "u8", "i16", "u16", "i32", "u32"];
const STORES = ["i32", "i64", "", "", "u8", "i16", "u8", "i16", "i32"];
/** From eq on; signed and unsigned differ in the type that stands in front. */
const COMPARISONS = [
  ["Equal", "s"],
  ["NotEqual", "s"],
  ["LessThan", "s"],
  ["LessThan", "u"],
  ["GreaterThan", "s"],
  ["GreaterThan", "u"],
  ["LessThanOrEqual", "s"],
  ["LessThanOrEqual", "u"],
  ["GreaterThanOrEqual", "s"],
  ["GreaterThanOrEqual", "u"],
] as const;
const ARITHMETIC = [
  ["Add", "s"],
  ["Subtract", "s"],
  ["Multiply", "s"],
  ["Divide", "s"],
  ["Divide", "u"],
  ["Remainder", "s"],
  ["Remainder", "u"],
  ["And", "u"],
  ["Or", "u"],
  ["Xor", "u"],
  ["ShiftLeft", "u"],
  ["ShiftRight", "s"],
  ["ShiftRight", "u"],
  ["Rotl", "u"],
  ["Rotr", "u"],
] as const;
const COUNTS = ["Clz", "Ctz", "Popcnt"];
const COMMUTATIVE = new Set(["Equal", "NotEqual", "Add", "Multiply", "And", "Or", "Xor"]);

/** By opcode; opcodes that the compiler of wasm3 treats apart are absent. */
export const OPERATORS: ReadonlyMap<number, Operator> = new Map(table());

function* table(): Generator<[number, Operator]> {
  const unary = (operation: string, result: ValueType): Operator => ({
    operation,
    operands: 1,
    commutative: false,
    result,
    offset: false,
  });
  for (const [i, from] of LOADS.entries()) {
    const type = i === 0 || (i >= 4 && i < 8) ? "i32" : "i64";
    if (from !== "") yield [0x28 + i, { ...unary(`${type}_Load_${from}`, type), offset: true }];
  }
  for (const [i, to] of STORES.entries()) {
    const type = i === 0 || i === 4 || i === 5 ? "i32" : "i64";
    const store = { operands: 2, commutative: false, result: undefined, offset: true } as const;
    if (to !== "") yield [0x36 + i, { ...store, operation: `${type}_Store_${to}` }];
  }
  for (const [type, unsigned, test, count, arithmetic] of [
    ["i32", "u32", 0x45, 0x67, 0x6a],
    ["i64", "u64", 0x50, 0x79, 0x7c],
  ] as const) {
    yield [test, unary(`${type}_EqualToZero`, "i32")];
    const binary = (name: string, sign: "s" | "u", result: ValueType): Operator => ({
      operation: `${sign === "s" ? type : unsigned}_${name}`,
      operands: 2,
      commutative: COMMUTATIVE.has(name),
      result,
      offset: false,
    });
    for (const [i, [name, sign]] of COMPARISONS.entries()) yield [test + 1 + i, binary(name, sign, "i32")];
    for (const [i, name] of COUNTS.entries()) yield [count + i, unary(`${unsigned}_${name}`, type)];
    for (const [i, [name, sign]] of ARITHMETIC.entries()) yield [arithmetic + i, binary(name, sign, type)];
  }
  yield [0xa7, unary("i32_Wrap_i64", "i32")];
  yield [0xac, unary("i64_Extend_i32", "i64")];
  yield [0xad, unary("i64_Extend_u32", "i64")];
  yield [0xc0, unary("i32_Extend8_s", "i32")];
  yield [0xc1, unary("i32_Extend16_s", "i32")];
  yield [0xc2, unary("i64_Extend8_s", "i64")];
  yield [0xc3, unary("i64_Extend16_s", "i64")];
  yield [0xc4, unary("i64_Extend32_s", "i64")];
}
