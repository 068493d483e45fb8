/**
 * wasm3 as firmware for one product may build it: a patched copy of the installed sources. What a patch replaces must be there, so that another
 * version of wasm3 is refused rather than measured half tuned.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** [file, what is there, what replaces it]; every occurrence in the file. */
const PATCHES = [
  // The integer register is 64 bits wide. As fourth argument it lies on the native stack, where the pointer to memory, which few
  // operations need and none changes, costs less.
  ["m3_exec_defs.h", "M3MemoryHeader * _mem, m3reg_t _r0", "m3reg_t _r0, M3MemoryHeader * _mem"],
  ["m3_exec_defs.h", "_sp, _mem, _r0", "_sp, _r0, _mem"],
  ["m3_exec.h", "sp, _mem, d_m3OpDefaultArgs", "sp, d_m3OpDefaultArgs, _mem"],
  ["m3_env.c", "runtime->memory.mallocated, d_m3OpDefaultArgs", "d_m3OpDefaultArgs, runtime->memory.mallocated"],
  ["m3_env.c", "NULL, d_m3OpDefaultArgs", "d_m3OpDefaultArgs, NULL"],
  // The library's is a call that spills the interpreter's registers.
  ["m3_exec.h", "Popcnt, __builtin_popcountll", "Popcnt, popcount64"],
  ["m3_exec_defs.h", "d_m3BeginExternC", '#include "popcount.h"\nd_m3BeginExternC'],
];

/**
 * Makes the patched copy.
 * @param {string} source wasm3's sources
 * @param {string} folder where the copy goes
 */
export function tuneWasm3(source, folder) {
  rmSync(folder, { recursive: true, force: true });
  cpSync(source, folder, { recursive: true });
  cpSync(new URL("popcount.h", import.meta.url), join(folder, "popcount.h"));
  for (const [name, from, to] of PATCHES) {
    const file = join(folder, name);
    const text = readFileSync(file, "utf8");
    if (!text.includes(from)) throw new Error(`${name} of wasm3 holds no "${from}": the patch is for another version`);
    writeFileSync(
      file,
      text.replaceAll(from, () => to),
    );
  }
}
