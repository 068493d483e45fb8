/**
 * What wasm3's compiler emits for single instructions: an operation in the variant that fits the places of its operands, and copies where a
 * value must move out of the way.
 */
import type { CodePage, CodePages } from "./code-pages.ts";
import { OPERATORS } from "./operators.ts";
import { Slots } from "./slots.ts";
import { OP, type ValueType, type WasmCode, type WasmFunction } from "./wasm-code.ts";

/** An operation of wasm3, and the index of the instruction that it was made for. */
export interface Operation {
  readonly name: string;
  readonly instruction: number;
}

export interface Scope {
  readonly op: number;
  readonly result: ValueType | undefined;
  /** Height of the stack at the end, and at the start: between them the record of the result's slot. */
  readonly exitHeight: number;
  readonly height: number;
  unreachable: boolean;
}

export class FunctionEmitter {
  readonly operations: Operation[] = [];
  words = 0;
  readonly slots: Slots;
  /** The outermost is the function. */
  protected readonly scopes: Scope[] = [];
  protected page: CodePage;
  /** Index of the instruction that is being compiled. */
  protected at = 0;

  constructor(
    protected readonly code: WasmCode,
    protected readonly body: WasmFunction,
    protected readonly pages: CodePages,
  ) {
    this.page = pages.acquire();
    this.slots = new Slots(body, code.bytes, pages.build);
    const [result] = body.type.results;
    const { height } = this.slots;
    this.scopes.push({ op: 0, result, exitHeight: height, height, unreachable: false });
  }

  protected get scope(): Scope {
    return this.scopes.at(-1)!;
  }

  protected emit(name: string, operands: number): void {
    const page = this.pages.withRoom(this.page);
    if (page !== this.page) {
      this.operations.push({ name: "Branch", instruction: this.at });
      this.page = page;
    }
    page.used += 1 + operands;
    this.words += 1 + operands;
    this.operations.push({ name, instruction: this.at });
  }

  /** Number of an operand's words: none when it is in the register. */
  protected operand(fromTop: number): 0 | 1 {
    return this.slots.top(fromTop).register ? 0 : 1;
  }

  protected pop(): void {
    this.slots.pop(this.scope.height);
  }

  protected operator(op: number): void {
    const operator = OPERATORS.get(op);
    if (!operator) throw new RangeError(`opcode 0x${op.toString(16)} is not modelled`);
    const { operation, operands, commutative, result, offset } = operator;
    const words = [this.operand(0), operands === 2 ? this.operand(1) : 0] as const;
    let variant: string;
    if (operands === 1) variant = words[0] ? "s" : "r";
    else if (!words[0]) variant = "rs";
    else if (!words[1]) variant = commutative ? "rs" : "sr";
    else variant = "ss";
    if (variant === "s" || variant === "ss") this.freeRegister();
    this.emit(`${operation}_${variant}`, words[0] + words[1] + (offset ? 1 : 0));
    for (let i = 0; i < operands; i++) this.pop();
    if (result) this.slots.pushRegister(result);
  }

  /** Moves what is in the register to a slot. */
  protected freeRegister(): void {
    const type = this.slots.spillRegister();
    if (type) this.emit(`SetSlot_${type}`, 1);
  }

  /** Brings the topmost value into the register; it stays where it was as well. */
  protected topToRegister(): void {
    const { register, type } = this.slots.top(0);
    if (register) return;
    this.freeRegister();
    this.emit(`SetRegister_${type}`, 1);
  }

  protected copyTo(index: number): void {
    const { register, type } = this.slots.at(index);
    if (register) this.emit(`SetSlot_${type}`, 1);
    else this.emit(`CopySlot_${bits(type)}`, 2);
  }

  protected setLocal(local: number, op: number): void {
    const { slots } = this;
    const preserved = slots.preserve(local, this.#preserveFrom());
    const { register, type } = slots.top(0);
    if (!preserved) this.copyTo(slots.height - 1);
    else if (register) this.emit(`PreserveSetSlot_${type}`, 2);
    else this.emit(`PreserveCopySlot_${bits(type)}`, 3);
    if (op === OP.localSet) this.pop();
  }

  /** Height from which on references to a local are looked for: of the innermost scope that is no block. */
  #preserveFrom(): number {
    return this.scopes.findLast(({ op }) => op !== OP.block)!.height;
  }

  protected preserveLocals(): void {
    const { slots } = this;
    if (slots.height <= slots.locals) return;
    for (let local = 0; local < slots.locals; local++) {
      const from = this.#preserveFrom();
      if (slots.preserve(local, from)) this.emit(`CopySlot_${bits(slots.at(local).type)}`, 2);
    }
  }

  protected constant(value: bigint, type: ValueType): void {
    if (this.slots.pushConstant(value, type)) return;
    // No room among the constants: it lies in the code, and is copied to a slot. A 32-bit word holds half an i64.
    const words = type === "i64" && this.pages.build.wordBytes === 4 ? 2 : 1;
    this.emit(`Const${bits(type)}`, words + 1);
    this.slots.pushAllocated(type);
  }

  protected select(): void {
    const operands = [0, 1, 2].map((i) => this.operand(i));
    const { type } = this.slots.top(1);
    if (!operands.includes(0)) this.freeRegister();
    const variant = ["rss", "srs", "ssr"][operands.indexOf(0)] ?? "sss";
    this.emit(
      `Select_${type}_${variant}`,
      operands.reduce((sum: number, words) => sum + words, 0),
    );
    for (const _ of operands) this.pop();
    this.slots.pushRegister(type);
  }

  protected global(op: number, type: ValueType): void {
    if (op === OP.globalGet) {
      this.emit(`GetGlobal_s${bits(type)}`, 2);
      this.slots.pushAllocated(type);
      return;
    }
    const word = this.operand(0);
    this.emit(`SetGlobal_${word ? `s${bits(type)}` : type}`, word + 1);
    this.pop();
  }

  protected copyOrFill(op: number): void {
    this.topToRegister();
    this.emit(op === OP.memoryCopy ? "MemCopy" : "MemFill", this.operand(1) + this.operand(2));
    for (let i = 0; i < 3; i++) this.pop();
  }
}

function bits(type: ValueType): 32 | 64 {
  return type === "i64" ? 64 : 32;
}
