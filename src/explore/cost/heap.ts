/**
 * What wasm3 allocates for a module: the linear memory, the value stack, the pages of its code, and the structures that describe the module.
 * The structures' sizes are those of wasm3 0.5.0; each block counts with the allocator's word in front of it, as newlib and glibc keep one.
 */
import type { Wasm3Build } from "../../wasm3/code-pages.ts";
import type { Metacode } from "../../wasm3/metacode.ts";
import type { FunctionType, WasmCode } from "../../wasm3/wasm-code.ts";

export interface Wasm3Heap {
  readonly linear: number;
  readonly stack: number;
  /** Pages of compiled code, with what is unused at their ends. */
  readonly code: number;
  readonly structures: number;
  readonly total: number;
}

/** Sizes of wasm3's structures with the limits that firmware sets (128 values on the stack of a function, no error messages). */
interface Structures {
  readonly runtime: number;
  readonly environment: number;
  readonly module: number;
  readonly function: number;
  readonly functionType: number;
  readonly memoryHeader: number;
  /** Blocks are multiples of this, and no smaller than `least`. */
  readonly alignment: number;
  readonly least: number;
}

const STRUCTURES: Record<Wasm3Build["wordBytes"], Structures> = {
  4: {
    runtime: 1068,
    environment: 32,
    module: 100,
    function: 68,
    functionType: 8,
    memoryHeader: 12,
    alignment: 8,
    least: 16,
  },
  8: {
    runtime: 1408,
    environment: 64,
    module: 168,
    function: 120,
    functionType: 16,
    memoryHeader: 24,
    alignment: 16,
    least: 32,
  },
};
/** Slots that wasm3 adds to the value stack. */
const STACK_MARGIN = 16;
/** Types of functions without parameters that wasm3 makes beforehand: of no result, i32, i64, f32 and f64. */
const OWN_TYPES = 5;

/**
 * @param build with the limits of firmware, at either size of a word
 * @param limits `memoryBytes` and `stackBytes` of the manifest: what wasm3 is told to allocate
 */
export function wasm3Heap(
  code: WasmCode,
  metacode: Metacode,
  build: Wasm3Build,
  { memoryBytes, stackBytes }: { readonly memoryBytes: number; readonly stackBytes: number },
): Wasm3Heap {
  const sizes = STRUCTURES[build.wordBytes];
  const block = (bytes: number): number =>
    Math.max(Math.ceil((bytes + build.wordBytes) / sizes.alignment) * sizes.alignment, sizes.least);
  const sum = (blocks: readonly number[]): number => blocks.reduce((total, bytes) => total + block(bytes), 0);
  const functions = code.imports.length + code.functions.length;
  const structures = sum([
    sizes.runtime,
    sizes.environment,
    ...new Array<number>(OWN_TYPES).fill(sizes.functionType + 1),
    sizes.module,
    code.types.length * build.wordBytes,
    ...distinctTypes(code.types).map((type) => sizes.functionType + type.params.length + type.results.length),
    functions * sizes.function,
    // Names are kept with a zero behind them.
    ...code.nameBytes.map((bytes) => bytes + 1),
    ...metacode.constantBytes.filter((bytes) => bytes > 0),
  ]);
  const linear = block(sizes.memoryHeader + memoryBytes);
  const stack = block(stackBytes + STACK_MARGIN);
  const pages = metacode.pages * block(build.pageBytes);
  return { linear, stack, code: pages, structures, total: linear + stack + pages + structures };
}

/** Types that wasm3 does not have yet, each once. */
function distinctTypes(types: readonly FunctionType[]): FunctionType[] {
  const key = (type: FunctionType): string => `${type.params}>${type.results}`;
  const known = new Set([">", ">i32", ">i64"]);
  return types.filter((type) => {
    const fresh = !known.has(key(type));
    known.add(key(type));
    return fresh;
  });
}
