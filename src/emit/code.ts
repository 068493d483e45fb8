/**
 * A thin layer over binaryen for writing kernels: typed locals, the few loops that kernels need.
 *
 * What is fast on wasm3 decides the shapes here: an interpreter pays per dispatched operation, so kernels keep values in locals,
 * address by constant offsets from one moving pointer, and count down into `br_if`.
 */
import binaryen from "binaryen";

export type Expression = number;
export type Module = binaryen.Module;

/** Element types of wasm, as binaryen numbers them. */
export interface Types {
  readonly none: number;
  readonly i32: number;
  readonly i64: number;
}

/** A local variable. */
export class Local {
  constructor(
    private readonly code: Code,
    readonly index: number,
    readonly type: number,
  ) {}

  get get(): Expression {
    return this.code.module.local.get(this.index, this.type);
  }

  set(value: Expression): Expression {
    return this.code.module.local.set(this.index, value);
  }

  tee(value: Expression): Expression {
    return this.code.module.local.tee(this.index, value, this.type);
  }

  /** Adds a constant to an i32. */
  advance(by: number): Expression {
    return this.set(this.plus(by));
  }

  plus(constant: number): Expression {
    return this.code.module.i32.add(this.get, this.code.i32(constant));
  }
}

/** One function under construction. */
export class Code {
  readonly #locals: number[] = [];
  #labels = 0;

  /** @param parameters types of the parameters, which are the first locals */
  constructor(
    readonly module: Module,
    readonly types: Types,
    private readonly parameters: readonly number[] = [],
  ) {}

  parameter(index: number): Local {
    return new Local(this, index, this.parameters[index]!);
  }

  local(type: number): Local {
    this.#locals.push(type);
    return new Local(this, this.parameters.length + this.#locals.length - 1, type);
  }

  /**
   * Calls a function that the module's layers share; it is built where it is called first.
   * @param name tells apart whatever is built differently
   * @param values of its parameters, i32 each
   */
  callShared(name: string, values: readonly Expression[], build: (code: Code) => Expression): Expression {
    const { module, types } = this;
    if (!module.getFunction(name)) {
      const parameters = values.map(() => types.i32);
      const code = new Code(module, types, parameters);
      const body = build(code);
      module.addFunction(name, binaryen.createType(parameters), types.none, [...code.localTypes], body);
    }
    return module.call(name, [...values], types.none);
  }

  pointer(): Local {
    return this.local(this.types.i32);
  }

  word(): Local {
    return this.local(this.types.i64);
  }

  get localTypes(): readonly number[] {
    return this.#locals;
  }

  i32(value: number): Expression {
    return this.module.i32.const(value | 0);
  }

  i64(value: bigint): Expression {
    return this.module.i64.const(BigInt.asIntN(64, value));
  }

  block(...body: Expression[]): Expression {
    return this.module.block(null, body);
  }

  /** Runs the body `count` times, count >= 1. */
  repeat(count: number, body: readonly Expression[]): Expression {
    if (count === 1) return this.block(...body);
    const left = this.pointer();
    const label = `loop${this.#labels++}`;
    const again = this.module.br_if(label, left.tee(left.plus(-1)));
    return this.block(left.set(this.i32(count)), this.module.loop(label, this.block(...body, again)));
  }

  /** Runs the body until `pointer` has reached `end`; at least once. The body moves the pointer. */
  untilReaches(pointer: Local, end: Expression, body: readonly Expression[]): Expression {
    const label = `loop${this.#labels++}`;
    return this.module.loop(label, this.block(...body, this.module.br_if(label, this.module.i32.ne(pointer.get, end))));
  }

  /** value limited to [low, high], of which either may be left out, through a local. */
  clip(value: Local, low: number | undefined, high: number | undefined): Expression[] {
    const { i32, select } = this.module;
    const steps: Expression[] = [];
    if (low !== undefined) steps.push(value.set(select(i32.lt_s(value.get, this.i32(low)), this.i32(low), value.get)));
    if (high !== undefined)
      steps.push(value.set(select(i32.gt_s(value.get, this.i32(high)), this.i32(high), value.get)));
    return steps;
  }
}
