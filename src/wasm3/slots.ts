/** The value stack of a function as wasm3's compiler tracks it: which slots hold what, and what is in the register. */
import type { Wasm3Build } from "./code-pages.ts";
import { OP, type ValueType, type WasmFunction } from "./wasm-code.ts";

/** Where a value lies. */
export interface Place {
  readonly slot: number;
  readonly type: ValueType;
  readonly register: boolean;
}

const REGISTER = -1;
/** Arguments and results have 64 bits each, whatever their type. */
export const ARGUMENT_SLOTS = 2;

export class Slots {
  /** Values on the stack; parameters and locals are its lowest. */
  height = 0;
  /** Parameters and locals. */
  readonly locals: number;
  /** Slots that the function needs at most. */
  most = 0;
  readonly #stack: { slot: number; type: ValueType }[] = [];
  /** How many values refer to a slot. Eight bits, as wasm3 has: a preserved i64 counts its second slot once too often. */
  readonly #uses: Uint8Array;
  readonly #firstConstant: number;
  readonly #constants: Uint32Array;
  #constantsEnd: number;
  readonly #firstDynamic: number;
  #usedEnd = 0;
  /** Height of the value in the register. */
  #register: number | undefined;

  /** @throws RangeError when the function needs more than that build of wasm3 allows */
  constructor(
    body: WasmFunction,
    bytes: Uint8Array,
    private readonly build: Wasm3Build,
  ) {
    const { params, results } = body.type;
    this.#uses = new Uint8Array(build.slots);
    let end = ARGUMENT_SLOTS * results.length;
    this.#uses.fill(1, 0, end);
    for (const type of params) {
      this.#mark(end, type);
      this.#push(end, type);
      end += ARGUMENT_SLOTS;
    }
    this.#usedEnd = end;
    this.#firstDynamic = end;
    for (const type of body.locals) this.pushAllocated(type);
    this.locals = this.height;
    this.#firstConstant = this.#constantsEnd = this.#maxUsed();
    const reserved = reserveConstants(body, bytes, build.constantSlots);
    if (this.#firstConstant + reserved >= build.slots) throw this.#tooMany();
    this.#constants = new Uint32Array(reserved);
    this.#firstDynamic = this.#firstConstant + reserved;
    this.most = this.#usedEnd = this.#firstDynamic;
  }

  get constantBytes(): number {
    return 4 * (this.#constantsEnd - this.#firstConstant);
  }

  at(index: number): Place {
    const value = this.#stack[index];
    if (!value || index >= this.height) throw new RangeError("the module's stack is empty");
    return { ...value, register: value.slot === REGISTER };
  }

  top(down: number): Place {
    return this.at(this.height - 1 - down);
  }

  /** @param floor height below which a scope may not pop: code behind a branch takes what is not there */
  pop(floor: number): void {
    if (this.height <= floor) return;
    const { slot, type } = this.#stack[--this.height]!;
    if (slot === REGISTER) this.#register = undefined;
    else if (slot >= this.#firstDynamic) for (let i = 0; i < slotsOf(type); i++) this.#uses[slot + i]!--;
  }

  pushRegister(type: ValueType): void {
    this.#register = this.height;
    this.#push(REGISTER, type);
  }

  pushLocal(local: number): void {
    const { slot, type } = this.#stack[local]!;
    this.#push(slot, type);
  }

  pushAllocated(type: ValueType): void {
    this.#push(this.#allocate(type), type);
  }

  /** A value whose slot is given: a result of a call. */
  pushMarked(type: ValueType, slot: number): void {
    this.#mark(slot, type);
    this.#push(slot, type);
  }

  /** @returns whether there is a slot of constants for it */
  pushConstant(value: bigint, type: ValueType): boolean {
    const slot = this.#findConstant(value, type) ?? this.#addConstant(value, type);
    if (slot === undefined) return false;
    this.#push(slot, type);
    return true;
  }

  /** Gives the value in the register a slot. @returns its type, or undefined when there is none */
  spillRegister(): ValueType | undefined {
    if (this.#register === undefined) return undefined;
    const value = this.#stack[this.#register]!;
    this.#register = undefined;
    value.slot = this.#allocate(value.type);
    return value.type;
  }

  /** Values that refer to a local, from some height on, get a slot of their own. @returns whether there are any */
  preserve(local: number, from: number): boolean {
    const { slot } = this.#stack[local]!;
    let preserved: number | undefined;
    for (const value of this.#stack.slice(from, this.height)) {
      if (value.slot !== slot) continue;
      if (preserved === undefined) preserved = this.#allocate(value.type);
      else this.#uses[preserved]!++;
      value.slot = preserved;
    }
    return preserved !== undefined;
  }

  /** First slot of the frame of a call. */
  callFrame(): number {
    return align(Math.max(1, this.#maxUsed()), 2);
  }

  #push(slot: number, type: ValueType): void {
    if (this.height >= this.build.values) throw this.#tooMany();
    this.#stack[this.height++] = { slot, type };
  }

  #mark(slot: number, type: ValueType): void {
    for (let i = 0; i < slotsOf(type); i++) this.#uses[slot + i]!++;
    this.#usedEnd = Math.max(this.#usedEnd, slot + slotsOf(type));
    this.most = Math.max(this.most, slot + slotsOf(type));
  }

  #maxUsed(): number {
    while (this.#usedEnd > this.#firstDynamic && !this.#uses[this.#usedEnd - 1]) this.#usedEnd--;
    return this.#usedEnd;
  }

  #allocate(type: ValueType): number {
    const slot = this.#free(type, this.#firstDynamic, this.build.slots);
    if (slot === undefined) throw this.#tooMany();
    return slot;
  }

  #tooMany(): RangeError {
    const { values, slots } = this.build;
    return new RangeError(`a function needs more than the ${values} values or ${slots} slots that wasm3 gives it`);
  }

  #free(type: ValueType, from: number, to: number): number | undefined {
    const count = slotsOf(type);
    for (let slot = align(from, count); slot + count <= to; slot += count) {
      if (this.#uses[slot] || this.#uses[slot + count - 1]) continue;
      this.#mark(slot, type);
      return slot;
    }
    return undefined;
  }

  /** Constants of equal bits share a slot. A negative i32 is compared after sign extension, and so never found. */
  #findConstant(value: bigint, type: ValueType): number | undefined {
    const first = this.#firstConstant;
    if (type === "i32") {
      if (value < 0n) return undefined;
      for (let slot = first; slot < this.#constantsEnd; slot++)
        if (this.#uses[slot] && this.#constants[slot - first] === Number(value)) return slot;
      return undefined;
    }
    if (this.#constantsEnd - first < 2) return undefined;
    const [low, high] = halves(value);
    for (let slot = align(first, 2); slot < this.#constantsEnd - 1; slot += 2) {
      const index = slot - first;
      const used = this.#uses[slot] && this.#uses[slot + 1];
      if (used && this.#constants[index] === low && this.#constants[index + 1] === high) return slot;
    }
    return undefined;
  }

  #addConstant(value: bigint, type: ValueType): number | undefined {
    const slot = this.#free(type, this.#firstConstant, this.#firstDynamic);
    if (slot === undefined) return undefined;
    const words = type === "i64" ? halves(value) : [Number(BigInt.asUintN(32, value))];
    this.#constants.set(words, slot - this.#firstConstant);
    this.#constantsEnd = Math.max(this.#constantsEnd, slot + words.length);
    return slot;
  }
}

/** wasm3 reserves slots by bytes that look like the opcode of a constant, of floats too. */
function reserveConstants({ instructions }: WasmFunction, bytes: Uint8Array, limit: number): number {
  let slots = 0;
  for (const byte of bytes.subarray(instructions[0]!.start, instructions.at(-1)!.end)) {
    let more = 0;
    if (byte === OP.i32Const || byte === 0x43) more = 1;
    else if (byte === OP.i64Const || byte === 0x44) more = 2;
    if (slots + more >= limit) break;
    slots += more;
  }
  return align(slots, 2);
}

function halves(value: bigint): [number, number] {
  const bits = BigInt.asUintN(64, value);
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

function slotsOf(type: ValueType): 1 | 2 {
  return type === "i64" ? 2 : 1;
}

function align(slot: number, to: number): number {
  return Math.ceil(slot / to) * to;
}
