/**
 * A module that counts how often each of its instructions runs, in one global for each straight run of instructions, and how many bytes it
 * copies and fills.
 */
import { type Instruction, OP, type WasmCode, type WasmFunction } from "../../wasm3/wasm-code.ts";

export interface CountedModule {
  readonly bytes: Uint8Array;
  /** For each function and instruction, the counter that tells how often it ran: an export of that name, an i32 without sign. */
  readonly counters: readonly (readonly string[])[];
}

/** Exports of the module: bytes that memory.copy and memory.fill moved so far, and the length of the last. */
export const BYTES = "count.bytes";
const LENGTH = "count.length";

/** Counters in front of it: BYTES and LENGTH. */
const FIRST_RUN = 2;
const GLOBAL_SECTION = 6;
const EXPORT_SECTION = 7;
const CODE_SECTION = 10;
const I32 = 0x7f;
const I32_ADD = 0x6a;
/** Behind these another run begins: control may come from elsewhere, or may not go on. */
const ENDS_RUN = new Set<number>([OP.loop, OP.if, OP.else, OP.end, OP.brIf, OP.br, OP.return]);

export function countedModule(code: WasmCode): CountedModule {
  const runs: number[][] = [];
  let count = FIRST_RUN;
  const bodies = code.functions.map((body) => {
    const { bytes, run } = countedBody(code.bytes, body, code.globals.length, count);
    runs.push(run);
    count = run.at(-1)! + 1;
    return [...unsigned(bytes.length), ...bytes];
  });
  const names = [BYTES, LENGTH, ...Array.from({ length: count - FIRST_RUN }, (_, i) => `count.${i}`)];
  const added: Record<number, number[][]> = {
    [GLOBAL_SECTION]: names.map(() => [I32, 1, OP.i32Const, 0, OP.end]),
    [EXPORT_SECTION]: names.map((name, i) => [
      ...unsigned(name.length),
      ...new TextEncoder().encode(name),
      3,
      ...unsigned(code.globals.length + i),
    ]),
  };
  const parts: ArrayLike<number>[] = [code.bytes.subarray(0, 8)];
  let globals = false;
  for (const { id, start, end } of code.sections) {
    if (id >= EXPORT_SECTION && !globals) {
      parts.push(section(GLOBAL_SECTION, added[GLOBAL_SECTION]!));
      globals = true;
    }
    globals ||= id === GLOBAL_SECTION;
    const held = code.bytes.subarray(start, end);
    if (id === CODE_SECTION) parts.push(section(CODE_SECTION, bodies));
    else if (added[id]) parts.push(section(id, added[id], held));
    else parts.push([id, ...unsigned(held.length)], held);
  }
  return {
    bytes: Uint8Array.from(parts.flatMap((part) => Array.from(part))),
    counters: runs.map((run) => run.map((index) => names[index]!)),
  };
}

function countedBody(bytes: Uint8Array, body: WasmFunction, firstGlobal: number, firstCounter: number) {
  const { entry, instructions } = body;
  const out = [...bytes.subarray(entry.start, instructions[0]!.start)];
  const run: number[] = [];
  let counter = firstCounter;
  const count = (): void => {
    const global = unsigned(firstGlobal + counter);
    out.push(OP.globalGet, ...global, OP.i32Const, 1, I32_ADD, OP.globalSet, ...global);
  };
  const [moved, length] = [unsigned(firstGlobal), unsigned(firstGlobal + 1)];
  const addLength = [
    ...[OP.globalSet, ...length, OP.globalGet, ...length],
    ...[OP.globalGet, ...moved, OP.globalGet, ...length, I32_ADD, OP.globalSet, ...moved],
  ];
  count();
  instructions.forEach(({ op, start, end }: Instruction, i) => {
    run.push(counter);
    if (op === OP.memoryCopy || op === OP.memoryFill) out.push(...addLength);
    out.push(...bytes.subarray(start, end));
    if (!ENDS_RUN.has(op) || i === instructions.length - 1) return;
    counter++;
    count();
  });
  return { bytes: out, run };
}

/** A section of a vector: what it held, and more items. */
function section(id: number, items: readonly number[][], before: Uint8Array = Uint8Array.of(0)): number[] {
  let held = 0;
  let at = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = before[at++]!;
    held += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  const content = [...unsigned(held + items.length), ...before.subarray(at), ...items.flat()];
  return [id, ...unsigned(content.length), ...content];
}

/** LEB128 */
function unsigned(value: number): number[] {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}
