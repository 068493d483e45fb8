/**
 * A model of wasm3's compiler (version 0.5.0): which operations it makes of a module, and how many words they take. wasm3 keeps one value
 * in a register and everything else in 32-bit slots; an operation exists in variants for each place of its operands.
 */
import { CodePages, type Wasm3Build } from "./code-pages.ts";
import { FunctionCompiler } from "./function-compiler.ts";
import type { Operation } from "./function-emitter.ts";
import type { WasmCode } from "./wasm-code.ts";

export interface Metacode {
  /** Operations of each function of the module, imported ones left out. */
  readonly functions: readonly (readonly Operation[])[];
  /** Words of code, with the stubs of imported functions. */
  readonly words: number;
  /** Pages that hold them. */
  readonly pages: number;
  /** Words of each function. */
  readonly functionWords: readonly number[];
  /** Bytes of the value stack that a call of any function needs at most, with what it calls in turn. */
  readonly stackBytes: number;
  /** Bytes of constants that wasm3 keeps beside the code of each function. */
  readonly constantBytes: readonly number[];
}

/** Words of the stub for an imported function. */
const IMPORT_STUB = 4;
const SLOT_BYTES = 4;

/**
 * What wasm3 of that build makes of a module.
 * @throws RangeError for a module that holds what the compiler never emits, or that this build of wasm3 refuses
 */
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
    // wasm3 wants one more than it uses.
    stackBytes: SLOT_BYTES * (1 + Math.max(0, ...compiled.map((_, f) => slotsFrom(compiled, f)))),
    constantBytes: compiled.map(({ slots }) => slots.constantBytes),
  };
}

/** Slots of a function and of what it calls; the frame of a call lies within the caller's slots or behind them. */
function slotsFrom(compiled: readonly FunctionCompiler[], f: number, callers: readonly number[] = []): number {
  if (callers.includes(f)) throw new RangeError("a function calls itself");
  const { slots, calls } = compiled[f]!;
  const nested = calls.map(({ callee, frame, slots: own }) =>
    callee < 0 ? frame + own : frame + slotsFrom(compiled, callee, [...callers, f]),
  );
  return Math.max(slots.most, ...nested);
}
