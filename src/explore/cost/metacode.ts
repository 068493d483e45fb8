/**
 * A model of wasm3's compiler (version 0.5.0): which operations it makes of a function, and how many words they take. wasm3 keeps one value
 * in a register and everything else in 32-bit slots; an operation exists in variants for each place of its operands.
 */
import { type CodePage, CodePages, type Wasm3Build } from "./code-pages.ts";
import { OPERATORS } from "./operators.ts";
import { Slots } from "./slots.ts";
import {
  type FunctionType,
  type Instruction,
  OP,
  type ValueType,
  type WasmCode,
  type WasmFunction,
} from "./wasm-code.ts";

/** An operation of wasm3, and the index of the instruction that it was made for. */
export interface Operation {
  readonly name: string;
  readonly instruction: number;
}

export interface Metacode {
  /** Operations of each function of the module, imported ones left out. */
  readonly functions: readonly (readonly Operation[])[];
  /** Words of code, with the stubs of imported functions. */
  readonly words: number;
  /** Pages that hold them. */
  readonly pages: number;
  /** Words of each function. */
  readonly functionWords: readonly number[];
  /** Slots of 32 bits that each function needs on the value stack, those of what it calls excluded. */
  readonly stackSlots: readonly number[];
  /** Bytes of constants that wasm3 keeps beside the code of each function. */
  readonly constantBytes: readonly number[];
}

interface Scope {
  readonly op: number;
  readonly result: ValueType | undefined;
  /** Height of the stack at the end, and at the start: between them the record of the result's slot. */
  readonly exitHeight: number;
  readonly height: number;
  unreachable: boolean;
}

/** Words of the stub for an imported function. */
const IMPORT_STUB = 4;

/** What wasm3 of that build makes of a module. @throws RangeError for a module that holds what the compiler never emits */
export function compileMetacode(code: WasmCode, build: Wasm3Build): Metacode {
  const pages = new CodePages(build);
  for (const _ of code.imports) {
    const page = pages.acquire(IMPORT_STUB);
    page.used += IMPORT_STUB;
    pages.release(page);
  }
  const compiled = code.functions.map((body) => new FunctionCompiler(code, body, pages).compile());
  return {
    functions: compiled.map(({ operations }) => operations),
    words: pages.words,
    pages: pages.count,
    functionWords: compiled.map((each) => each.words),
    stackSlots: compiled.map(({ slots }) => slots.most),
    constantBytes: compiled.map(({ slots }) => slots.constantBytes),
  };
}

class FunctionCompiler {
  readonly operations: Operation[] = [];
  words = 0;
  readonly slots: Slots;
  #page: CodePage;
  #at = 0;
  readonly #scopes: Scope[] = [];

  constructor(
    private readonly code: WasmCode,
    private readonly body: WasmFunction,
    private readonly pages: CodePages,
  ) {
    this.#page = pages.acquire();
    this.slots = new Slots(body, code.bytes, pages.build.constantSlots);
    const [result] = body.type.results;
    const height = this.slots.height;
    this.#scopes.push({ op: 0, result, exitHeight: height, height, unreachable: false });
  }

  compile(): this {
    this.#emit("Entry", 1);
    this.#statements();
    this.pages.release(this.#page);
    return this;
  }

  get #scope(): Scope {
    return this.#scopes.at(-1)!;
  }

  #emit(name: string, operands: number): void {
    const page = this.pages.withRoom(this.#page);
    if (page !== this.#page) {
      this.operations.push({ name: "Branch", instruction: this.#at });
      this.#page = page;
    }
    page.used += 1 + operands;
    this.words += 1 + operands;
    this.operations.push({ name, instruction: this.#at });
  }

  /** Compiles up to the end (or else) of the scope. @returns the opcode that ended it */
  #statements(): number {
    for (;;) {
      const instruction = this.body.instructions[this.#at]!;
      this.#compile(instruction);
      this.#at++;
      if (instruction.op === OP.else || instruction.op === OP.end) return instruction.op;
    }
  }

  #compile({ op, immediate }: Instruction): void {
    switch (op) {
      case OP.block:
      case OP.loop:
        this.#loopOrBlock(op, immediate as ValueType | undefined);
        break;
      case OP.if:
        this.#if(immediate as ValueType | undefined);
        break;
      case OP.else:
      case OP.nop:
        break;
      case OP.end:
        if (this.#scopes.length === 1) this.#functionEnd();
        break;
      case OP.br:
      case OP.brIf:
        this.#branch(op, immediate as number);
        break;
      case OP.return:
        this.#return();
        break;
      case OP.unreachable:
        this.#emit("Unreachable", 0);
        this.#unreachable();
        break;
      case OP.call:
        this.#call(this.#typeOf(immediate as number));
        break;
      case OP.select:
        this.#select();
        break;
      case OP.drop:
        this.#pop();
        break;
      case OP.localGet:
        this.slots.pushLocal(immediate as number);
        break;
      case OP.localSet:
      case OP.localTee:
        this.#setLocal(immediate as number, op);
        break;
      case OP.globalGet:
      case OP.globalSet:
        this.#global(op, this.code.globals[immediate as number]!);
        break;
      case OP.i32Const:
      case OP.i64Const:
        this.#constant(immediate as bigint, op === OP.i64Const ? "i64" : "i32");
        break;
      case OP.memoryCopy:
      case OP.memoryFill:
        this.#copyOrFill(op);
        break;
      default:
        this.#operator(op);
    }
  }

  #typeOf(index: number): FunctionType {
    const { imports, functions } = this.code;
    return index < imports.length ? imports[index]!.type : functions[index - imports.length]!.type;
  }

  /** Number of an operand's words: none when it is in the register. */
  #operand(fromTop: number): 0 | 1 {
    return this.slots.top(fromTop).register ? 0 : 1;
  }

  #pop(): void {
    this.slots.pop(this.#scope.height);
  }

  #operator(op: number): void {
    const operator = OPERATORS.get(op);
    if (!operator) throw new RangeError(`opcode 0x${op.toString(16)} is not modelled`);
    const { operation, operands, commutative, result, offset } = operator;
    const words = [this.#operand(0), operands === 2 ? this.#operand(1) : 0] as const;
    let variant: string;
    if (operands === 1) variant = words[0] ? "s" : "r";
    else if (!words[0]) variant = "rs";
    else if (!words[1]) variant = commutative ? "rs" : "sr";
    else variant = "ss";
    if (variant === "s" || variant === "ss") this.#freeRegister();
    this.#emit(`${operation}_${variant}`, words[0] + words[1] + (offset ? 1 : 0));
    for (let i = 0; i < operands; i++) this.#pop();
    if (result) this.slots.pushRegister(result);
  }

  /** Moves what is in the register to a slot. */
  #freeRegister(): void {
    const type = this.slots.spillRegister();
    if (type) this.#emit(`SetSlot_${type}`, 1);
  }

  /** Brings the topmost value into the register; it stays where it was as well. */
  #topToRegister(): void {
    const { register, type } = this.slots.top(0);
    if (register) return;
    this.#freeRegister();
    this.#emit(`SetRegister_${type}`, 1);
  }

  #copyTo(index: number): void {
    const { register, type } = this.slots.at(index);
    if (register) this.#emit(`SetSlot_${type}`, 1);
    else this.#emit(`CopySlot_${bits(type)}`, 2);
  }

  #setLocal(local: number, op: number): void {
    const { slots } = this;
    const preserved = slots.preserve(local, this.#preserveFrom());
    const { register, type } = slots.top(0);
    if (!preserved) this.#copyTo(slots.height - 1);
    else if (register) this.#emit(`PreserveSetSlot_${type}`, 2);
    else this.#emit(`PreserveCopySlot_${bits(type)}`, 3);
    if (op === OP.localSet) this.#pop();
  }

  /** Height from which on references to a local are looked for: of the innermost scope that is no block. */
  #preserveFrom(): number {
    return this.#scopes.findLast(({ op }) => op !== OP.block)!.height;
  }

  #preserveLocals(): void {
    const { slots } = this;
    if (slots.height <= slots.locals) return;
    for (let local = 0; local < slots.locals; local++) {
      const from = this.#preserveFrom();
      if (slots.preserve(local, from)) this.#emit(`CopySlot_${bits(slots.at(local).type)}`, 2);
    }
  }

  #constant(value: bigint, type: ValueType): void {
    if (this.slots.pushConstant(value, type)) return;
    // No room among the constants: it lies in the code, and is copied to a slot. A 32-bit word holds half an i64.
    const words = type === "i64" && this.pages.build.wordBytes === 4 ? 2 : 1;
    this.#emit(`Const${bits(type)}`, words + 1);
    this.slots.pushAllocated(type);
  }

  #select(): void {
    const operands = [0, 1, 2].map((i) => this.#operand(i));
    const { type } = this.slots.top(1);
    if (!operands.includes(0)) this.#freeRegister();
    const variant = ["rss", "srs", "ssr"][operands.indexOf(0)] ?? "sss";
    this.#emit(
      `Select_${type}_${variant}`,
      operands.reduce((sum: number, words) => sum + words, 0),
    );
    for (const _ of operands) this.#pop();
    this.slots.pushRegister(type);
  }

  #global(op: number, type: ValueType): void {
    if (op === OP.globalGet) {
      this.#emit(`GetGlobal_s${bits(type)}`, 2);
      this.slots.pushAllocated(type);
      return;
    }
    const word = this.#operand(0);
    this.#emit(`SetGlobal_${word ? `s${bits(type)}` : type}`, word + 1);
    this.#pop();
  }

  #copyOrFill(op: number): void {
    this.#topToRegister();
    this.#emit(op === OP.memoryCopy ? "MemCopy" : "MemFill", this.#operand(1) + this.#operand(2));
    for (let i = 0; i < 3; i++) this.#pop();
  }

  #call({ params, results }: FunctionType): void {
    const { slots } = this;
    const frame = slots.callFrame();
    for (const _ of params) {
      this.#copyTo(slots.height - 1);
      this.#pop();
    }
    for (const [i, type] of results.entries()) slots.pushMarked(type, frame + 2 * i);
    this.#emit("Call", 2);
  }

  #loopOrBlock(op: number, result: ValueType | undefined): void {
    this.#freeRegister();
    this.#preserveLocals();
    if (op === OP.loop) this.#emit("Loop", 0);
    this.#block(op, result);
  }

  /** @returns the opcode that ended it */
  #block(op: number, result: ValueType | undefined): number {
    const { slots } = this;
    const exitHeight = slots.height;
    if (result) {
      // Where branches put the result: its slot is recorded on the stack, but free until the end of the block.
      slots.pushAllocated(result);
      slots.pop(0);
      slots.height++;
    }
    const unreachable = this.#scope.unreachable;
    this.#scopes.push({ op, result, exitHeight, height: slots.height, unreachable });
    this.#at++;
    const end = this.#statements();
    // The caller's loop steps over the instruction that ended the scope.
    this.#at--;
    if (!this.#scope.unreachable) this.#resolveResult(this.#scope);
    this.#unwind();
    this.#scopes.pop();
    if (op !== OP.if) {
      slots.height = exitHeight;
      if (result) slots.pushAllocated(result);
    }
    return end;
  }

  #if(result: ValueType | undefined): void {
    const { slots } = this;
    if (!slots.top(0).register) this.#freeRegister();
    this.#preserveLocals();
    const word = this.#operand(0);
    this.#emit(word ? "If_s" : "If_r", word + 1);
    this.#pop();
    const height = slots.height;
    if (this.#block(OP.if, result) !== OP.else) return;
    slots.height = height;
    const saved = this.#page;
    this.#page = this.pages.acquire();
    this.#block(OP.else, result);
    this.#emit("Branch", 1);
    this.pages.release(this.#page);
    this.#page = saved;
  }

  #branch(op: number, depth: number): void {
    const target = this.#scopes.at(-1 - depth)!;
    const isFunction = depth === this.#scopes.length - 1;
    if (target.op === OP.loop) {
      if (op === OP.brIf) {
        this.#topToRegister();
        this.#pop();
        this.#emit("ContinueLoopIf", 1);
      } else {
        this.#emit("ContinueLoop", 1);
        this.#scope.unreachable = true;
      }
      return;
    }
    if (op === OP.brIf) {
      const word = this.#operand(0);
      const name = target.result || isFunction ? "BranchIfPrologue" : "BranchIf";
      this.#emit(`${name}_${word ? "s" : "r"}`, word + 1);
      this.#pop();
      if (name === "BranchIf") return;
    }
    if (!this.#scope.unreachable) {
      if (isFunction) {
        this.#returnValue(true);
        this.#emit("Return", 0);
      } else {
        this.#resolveResult(target);
        this.#emit("Branch", 1);
      }
    }
    if (op === OP.br) this.#unreachable();
  }

  /** Copies a block's result to the slot that was recorded for it. */
  #resolveResult({ result, exitHeight }: Scope): void {
    if (!result) return;
    const { slots } = this;
    const index = slots.height - 1;
    if (slots.at(exitHeight).slot !== slots.at(index).slot) this.#copyTo(index);
  }

  #returnValue(isBranch: boolean): void {
    const { result } = this.#scopes[0]!;
    if (!result) return;
    if (!this.#scope.unreachable) this.#copyTo(this.slots.height - 1);
    if (!isBranch) this.#pop();
  }

  #return(): void {
    if (this.#scope.unreachable) return;
    this.#returnValue(true);
    this.#emit("Return", 0);
    this.#unreachable();
  }

  #functionEnd(): void {
    this.#returnValue(false);
    this.#emit("Return", 0);
  }

  #unreachable(): void {
    this.#scope.unreachable = true;
    this.#unwind();
  }

  #unwind(): void {
    while (this.slots.height > this.#scope.height) this.#pop();
  }
}

function bits(type: ValueType): 32 | 64 {
  return type === "i64" ? 64 : 32;
}
