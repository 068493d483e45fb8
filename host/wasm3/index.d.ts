/**
 * Node binding of wasm3, an interpreter of WebAssembly for microcontrollers.
 *
 * Modules are validated, and refused if they use what wasm3 lacks, before wasm3 sees them. Every failure is a
 * `Wasm3Error`; what an import throws reaches the caller of the export unchanged.
 */

export type ValueType = "i32" | "i64" | "f32" | "f64";
/** i32 (signed), f32 and f64 are numbers, i64 (signed) is a BigInt. An i32 argument may also be 2^31 ... 2^32 - 1, an i64 up to 2^64 - 1. */
export type Value = number | bigint;

export type Wasm3ErrorCode =
  /** An argument, a result of an import or an option is of the wrong type or out of its range. */
  | "type"
  /** No valid WebAssembly module, or one whose segments lie outside its memory or table. */
  | "malformed"
  /** Valid, but it uses what wasm3 lacks or what this package does not allow. */
  | "unsupported"
  /** An import is missing or is not a function. */
  | "link"
  /** The module's data does not fit into the memory limit. */
  | "memory-limit"
  | "no-export"
  /** The host's read or write lies outside the memory. */
  | "bounds"
  /** The instance was freed. */
  | "freed"
  /** The instance cannot be freed, nor its images changed, while one of its functions runs. */
  | "busy"
  | "out-of-memory"
  | "trap-unreachable"
  | "trap-out-of-bounds"
  | "trap-divide-by-zero"
  | "trap-integer-overflow"
  | "trap-invalid-conversion"
  | "trap-indirect-call-type"
  | "trap-table-index"
  | "trap-null-element"
  /** The value stack (`stackBytes`) or the thread's native stack is exhausted. */
  | "trap-stack-overflow";

export class Wasm3Error extends Error {
  constructor(code: Wasm3ErrorCode, message: string);
  readonly code: Wasm3ErrorCode;
}

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface ImportedFunction extends Signature {
  readonly module: string;
  readonly name: string;
}

export type ExportEntry =
  | ({ readonly kind: "function"; readonly name: string; readonly index: number } & Signature)
  | {
      readonly kind: "global";
      readonly name: string;
      readonly index: number;
      readonly type: ValueType;
      readonly mutable: boolean;
    }
  | { readonly kind: "memory" | "table"; readonly name: string; readonly index: number };

/** A checked module. Each instance parses its own copy, but checks are made once. */
export interface Wasm3Module {
  readonly imports: readonly ImportedFunction[];
  readonly exports: readonly ExportEntry[];
  /** Whether `load` runs a start function. */
  readonly start: boolean;
  /** Whether all its state is in its memory: no start function, no mutable globals. */
  readonly memoryIsState: boolean;
  readonly memory: { readonly initialPages: number; readonly maximumPages: number | undefined } | undefined;
}

/** What a call returns: nothing, a value, or an array for a function of several results. */
export type Results = Value | Value[] | undefined;
export type ExportedFunction = (...args: Value[]) => Results;
/** Must return what the import's type says: nothing, a value, or an array of values. */
export type HostFunction = (...args: never[]) => unknown;

export interface LoadOptions {
  /**
   * Linear memory in bytes, 1 ... 2^30. Fewer bytes than the module declares are allocated if this says so: access
   * beyond traps, and memory.grow beyond fails. Default: 64 MiB.
   */
  memoryLimit?: number;
  /** wasm3's value stack in bytes, 1 ... 2^24. Default: 64 KiB. */
  stackBytes?: number;
  /**
   * Memory images, 1 ... 2^20: linear memories of the same compiled code, of which one is in use at a time. More than one is `unsupported` where
   * a module's memory is not all its state (`memoryIsState`). Default: 1.
   */
  images?: number;
  /**
   * Functions to link: module name, then function name. What is missing of the module "hedge_native" the addon provides: kernels in C, by
   * the names of NATIVE_KERNELS, of type (descriptor: i32) -> nothing.
   */
  imports?: Readonly<Record<string, Readonly<Record<string, HostFunction>>>>;
}

/** Copies in and out of linear memory (of the image in use), also from within an import. Nothing is truncated: what does not fit throws `bounds`. */
export interface Wasm3Memory {
  /** Bytes that are allocated. */
  readonly byteLength: number;
  /** A copy of `count` bytes at address `at`. */
  read(at: number, count: number): Uint8Array;
  /** Fills `target` from address `at`. */
  readInto(at: number, target: Uint8Array | Int8Array): void;
  /** Copies `bytes` to address `at`. */
  write(at: number, bytes: Uint8Array | Int8Array): void;
}

export interface Wasm3Instance {
  readonly module: Wasm3Module;
  readonly memory: Wasm3Memory;
  /**
   * The exported function of that name; look it up once and call it often. Throws `no-export`. The type that the caller
   * names is for the compiler: each call checks the arguments.
   */
  function<F extends (...args: never[]) => unknown = ExportedFunction>(name: string): F;
  /** `function(name)(...args)`. */
  call(name: string, ...args: Value[]): Results;
  getGlobal(name: string): Value;
  /** Throws `type` for a constant global. */
  setGlobal(name: string, value: Value): void;
  /**
   * Puts that image in place of the one in use, at first image 0. One that is used for the first time is as after instantiation: zeros and the data
   * segments. The value stack is shared: calls leave nothing on it. Throws `type` for an image that is not there, `busy` from within an import,
   * `out-of-memory`.
   */
  useImage(index: number): void;
  /** Frees an image: when it is used next it is as after instantiation; so is the one in use, at once. Throws as `useImage`. */
  resetImage(index: number): void;
  /** Linear memory of all images that were used. */
  readonly imageBytes: number;
  /** RAM of the compiled code in bytes, with this host's pointer size. */
  readonly metacodeBytes: number;
  /** RAM of the pages that hold it, including what is unused at their ends. */
  readonly codePageBytes: number;
  /** Frees all memory at once; anything but a second `free` throws `freed` afterwards. Forgotten instances are freed by the garbage collector. */
  free(): void;
}

/** Names of the native kernels that a module may import from "hedge_native". */
export const NATIVE_KERNELS: readonly string[];

/** Checks a module. Throws `malformed` or `unsupported`. */
export function compile(bytes: Uint8Array): Wasm3Module;

/**
 * Instantiates a module: every function is compiled, the start function run.
 * Throws as `compile` does, and `link`, `memory-limit`, `type`, `out-of-memory` or a trap of the start function.
 */
export function load(module: Uint8Array | Wasm3Module, options?: LoadOptions): Wasm3Instance;
