/** A model of how wasm3 compiles a function: blocks, loops, branches and calls around what single instructions become. */
import { FunctionEmitter, type Scope } from "./function-emitter.ts";
import { ARGUMENT_SLOTS } from "./slots.ts";
import { type Instruction, OP, type ValueType } from "./wasm-code.ts";

/** A call: the first slot of its frame, and how many its arguments and results take there. */
export interface Call {
  /** Index of a function of the module, behind the imported ones; negative for those. */
  readonly callee: number;
  readonly frame: number;
  readonly slots: number;
}

export class FunctionCompiler extends FunctionEmitter {
  readonly calls: Call[] = [];

  compile(): this {
    this.emit("Entry", 1);
    this.#statements();
    this.pages.release(this.page);
    return this;
  }

  /** Compiles up to the end (or else) of the scope. @returns the opcode that ended it */
  #statements(): number {
    for (;;) {
      const instruction = this.body.instructions[this.at]!;
      this.#instruction(instruction);
      this.at++;
      if (instruction.op === OP.else || instruction.op === OP.end) return instruction.op;
    }
  }

  #instruction({ op, immediate }: Instruction): void {
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
        if (this.scopes.length === 1) this.#functionEnd();
        break;
      case OP.br:
      case OP.brIf:
        this.#branch(op, immediate as number);
        break;
      case OP.return:
        this.#return();
        break;
      case OP.unreachable:
        this.emit("Unreachable", 0);
        this.#unreachable();
        break;
      case OP.call:
        this.#call(immediate as number);
        break;
      case OP.select:
        this.select();
        break;
      case OP.drop:
        this.pop();
        break;
      case OP.localGet:
        this.slots.pushLocal(immediate as number);
        break;
      case OP.localSet:
      case OP.localTee:
        this.setLocal(immediate as number, op);
        break;
      case OP.globalGet:
      case OP.globalSet:
        this.global(op, this.code.globals[immediate as number]!);
        break;
      case OP.i32Const:
      case OP.i64Const:
        this.constant(immediate as bigint, op === OP.i64Const ? "i64" : "i32");
        break;
      case OP.memoryCopy:
      case OP.memoryFill:
        this.copyOrFill(op);
        break;
      default:
        this.operator(op);
    }
  }

  #call(index: number): void {
    const { slots, code } = this;
    const callee = index - code.imports.length;
    const { params, results } = callee < 0 ? code.imports[index]!.type : code.functions[callee]!.type;
    const frame = slots.callFrame();
    this.calls.push({ callee, frame, slots: ARGUMENT_SLOTS * (params.length + results.length) });
    for (const _ of params) {
      this.copyTo(slots.height - 1);
      this.pop();
    }
    for (const [i, type] of results.entries()) slots.pushMarked(type, frame + ARGUMENT_SLOTS * i);
    this.emit("Call", 2);
  }

  #loopOrBlock(op: number, result: ValueType | undefined): void {
    this.freeRegister();
    this.preserveLocals();
    if (op === OP.loop) this.emit("Loop", 0);
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
    const unreachable = this.scope.unreachable;
    this.scopes.push({ op, result, exitHeight, height: slots.height, unreachable });
    this.at++;
    const end = this.#statements();
    // The caller's loop steps over the instruction that ended the scope.
    this.at--;
    if (!this.scope.unreachable) this.#resolveResult(this.scope);
    this.#unwind();
    this.scopes.pop();
    if (op !== OP.if) {
      slots.height = exitHeight;
      if (result) slots.pushAllocated(result);
    }
    return end;
  }

  #if(result: ValueType | undefined): void {
    const { slots } = this;
    if (!slots.top(0).register) this.freeRegister();
    this.preserveLocals();
    const word = this.operand(0);
    this.emit(word ? "If_s" : "If_r", word + 1);
    this.pop();
    const height = slots.height;
    if (this.#block(OP.if, result) !== OP.else) return;
    slots.height = height;
    const saved = this.page;
    this.page = this.pages.acquire();
    this.#block(OP.else, result);
    this.emit("Branch", 1);
    this.pages.release(this.page);
    this.page = saved;
  }

  #branch(op: number, depth: number): void {
    const target = this.scopes.at(-1 - depth)!;
    const isFunction = depth === this.scopes.length - 1;
    if (target.op === OP.loop) {
      if (op === OP.brIf) {
        this.topToRegister();
        this.pop();
        this.emit("ContinueLoopIf", 1);
      } else {
        this.emit("ContinueLoop", 1);
        this.scope.unreachable = true;
      }
      return;
    }
    if (op === OP.brIf) {
      const word = this.operand(0);
      const name = target.result || isFunction ? "BranchIfPrologue" : "BranchIf";
      this.emit(`${name}_${word ? "s" : "r"}`, word + 1);
      this.pop();
      if (name === "BranchIf") return;
    }
    if (!this.scope.unreachable) {
      if (isFunction) {
        this.#returnValue(true);
        this.emit("Return", 0);
      } else {
        this.#resolveResult(target);
        this.emit("Branch", 1);
      }
    }
    if (op === OP.br) this.#unreachable();
  }

  /** Copies a block's result to the slot that was recorded for it. */
  #resolveResult({ result, exitHeight }: Scope): void {
    if (!result) return;
    const { slots } = this;
    const index = slots.height - 1;
    if (slots.at(exitHeight).slot !== slots.at(index).slot) this.copyTo(index);
  }

  #returnValue(isBranch: boolean): void {
    const { result } = this.scopes[0]!;
    if (!result) return;
    if (!this.scope.unreachable) this.copyTo(this.slots.height - 1);
    if (!isBranch) this.pop();
  }

  #return(): void {
    if (this.scope.unreachable) return;
    this.#returnValue(true);
    this.emit("Return", 0);
    this.#unreachable();
  }

  #functionEnd(): void {
    this.#returnValue(false);
    this.emit("Return", 0);
  }

  #unreachable(): void {
    this.scope.unreachable = true;
    this.#unwind();
  }

  #unwind(): void {
    while (this.slots.height > this.scope.height) this.pop();
  }
}
