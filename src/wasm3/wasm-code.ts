/**
 * The functions of a WebAssembly module as lists of instructions: what the models of wasm3's code and the counters work on.
 * For modules that the compiler emits, which were validated before: integers, structured control, one memory, no tables.
 */

export const OP = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  return: 0x0f,
  call: 0x10,
  drop: 0x1a,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i64Const: 0x42,
  /** Behind the prefix 0xfc. */
  memoryCopy: 0xfc0a,
  memoryFill: 0xfc0b,
} as const;

export type ValueType = "i32" | "i64";

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface Instruction {
  readonly op: number;
  /** Index, depth, offset or constant; the block's type (`undefined`: nothing) of structured control. */
  readonly immediate?: number | bigint | ValueType | undefined;
  /** Of the opcode's first byte, in the module. */
  readonly start: number;
  readonly end: number;
}

export interface WasmFunction {
  readonly type: FunctionType;
  /** Types of the locals behind the parameters. */
  readonly locals: readonly ValueType[];
  /** The function's entry in the code section, behind its size. */
  readonly entry: { readonly start: number; readonly end: number };
  readonly instructions: readonly Instruction[];
}

export interface WasmSection {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

export interface WasmCode {
  readonly bytes: Uint8Array;
  readonly sections: readonly WasmSection[];
  readonly types: readonly FunctionType[];
  /** Imported functions, which have the first indices: module and field with a dot between, and type. */
  readonly imports: readonly { readonly name: string; readonly type: FunctionType }[];
  readonly functions: readonly WasmFunction[];
  readonly globals: readonly ValueType[];
  /** Lengths of the names that an interpreter keeps: of imports (module and field), and of exported functions. */
  readonly nameBytes: readonly number[];
}

const SECTION = { type: 1, import: 2, function: 3, global: 6, export: 7, code: 10 } as const;

class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError("the module ends within a section");
    return value;
  }

  /** LEB128 of up to 32 bits. */
  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** LEB128, sign-extended. */
  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return byte & 0x40 ? value - (1n << (shift + 7n)) : value;
    }
  }

  vector<T>(item: () => T): T[] {
    return Array.from({ length: this.unsigned() }, item);
  }

  name(): Uint8Array {
    const length = this.unsigned();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  valueType(): ValueType {
    const code = this.byte();
    if (code !== 0x7f && code !== 0x7e) throw new RangeError(`value type ${code} is none of a module without floats`);
    return code === 0x7f ? "i32" : "i64";
  }
}

/** @throws RangeError for a module that holds what the compiler never emits */
export function decodeWasm(bytes: Uint8Array): WasmCode {
  const reader = new Reader(bytes, 8);
  const sections: WasmSection[] = [];
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const size = reader.unsigned();
    sections.push({ id, start: reader.at, end: reader.at + size });
    reader.at += size;
  }
  const read = <T>(id: number, item: (section: Reader) => T): T[] => {
    const section = sections.find((each) => each.id === id);
    if (!section) return [];
    const own = new Reader(bytes, section.start);
    return own.vector(() => item(own));
  };
  const types = read(SECTION.type, (r): FunctionType => {
    r.byte();
    return { params: r.vector(() => r.valueType()), results: r.vector(() => r.valueType()) };
  });
  const nameBytes: number[] = [];
  const imports = read(SECTION.import, (r) => {
    const names = [r.name(), r.name()];
    nameBytes.push(...names.map(({ length }) => length));
    if (r.byte() !== 0) throw new RangeError("the module imports something else than functions");
    return { name: names.map((name) => new TextDecoder().decode(name)).join("."), type: types[r.unsigned()]! };
  });
  read(SECTION.export, (r) => {
    const { length } = r.name();
    if (r.byte() === 0) nameBytes.push(length);
    r.unsigned();
  });
  const indices = read(SECTION.function, (r) => r.unsigned());
  const globals = read(SECTION.global, (r) => {
    const type = r.valueType();
    r.byte();
    while (r.byte() !== OP.end) r.signed();
    return type;
  });
  let next = 0;
  const functions = read(SECTION.code, (r) => readFunction(r, types[indices[next++]!]!));
  return { bytes, sections, types, imports, functions, globals, nameBytes };
}

function readFunction(r: Reader, type: FunctionType): WasmFunction {
  const size = r.unsigned();
  const entry = { start: r.at, end: r.at + size };
  const locals = r
    .vector(() => {
      const count = r.unsigned();
      return new Array<ValueType>(count).fill(r.valueType());
    })
    .flat();
  const instructions: Instruction[] = [];
  while (r.at < entry.end) instructions.push(readInstruction(r));
  return { type, locals, entry, instructions };
}

function readInstruction(r: Reader): Instruction {
  const start = r.at;
  let op = r.byte();
  if (op === 0xfc) op = (op << 8) | r.unsigned();
  const immediate = readImmediate(r, op);
  return { op, immediate, start, end: r.at };
}

function readImmediate(r: Reader, op: number): Instruction["immediate"] {
  switch (op) {
    case OP.block:
    case OP.loop:
    case OP.if:
      if (r.bytes[r.at] !== 0x40) return r.valueType();
      r.byte();
      return undefined;
    case OP.br:
    case OP.brIf:
    case OP.call:
    case OP.localGet:
    case OP.localSet:
    case OP.localTee:
    case OP.globalGet:
    case OP.globalSet:
      return r.unsigned();
    case OP.i32Const:
    case OP.i64Const:
      return r.signed();
    case OP.memoryCopy:
      r.byte();
      r.byte();
      return undefined;
    case OP.memoryFill:
      r.byte();
      return undefined;
  }
  if (op >= 0x28 && op <= 0x3e) {
    r.unsigned();
    return r.unsigned();
  }
  if (op <= OP.select || (op >= 0x45 && op <= 0xc4)) return undefined;
  throw new RangeError(`opcode 0x${op.toString(16)} is not modelled`);
}
