/**
 * wasm3 as firmware for one product may build it: a patched copy of the installed sources, its operations compiled by a convention that suits an interpreter. What
 * a patch replaces must be there, so that another version of wasm3 is refused rather than measured half tuned.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tool } from "../../../dist/explore/wasm3-build.js";

const OWN_FILES = ["operations.c", "operations.h", "popcount.h"];
/** -fcall-used: no operation has to save these. */
const FLAGS = ["-O3", "-fno-strict-aliasing", "-fwrapv", "-w", ...[4, 5, 6, 8].map((n) => `-fcall-used-r${n}`)];

/** [file, what is there, what replaces it]; every occurrence in the file. */
const PATCHES = [
  // The integer register is 64 bits wide: behind three pointers it would lie on the native stack. The memory and the value stack, which few
  // operations change, leave the arguments for registers of their own.
  ["m3_exec_defs.h", "pc_t _pc, m3stack_t _sp, M3MemoryHeader * _mem, m3reg_t _r0", "pc_t _pc, m3reg_t _r0"],
  ["m3_exec_defs.h", "_sp, _mem, _r0", "_r0"],
  ["m3_exec.h", "m3ret_t r = Call (callPC, sp, _mem, d_m3OpDefaultArgs);", callOn("m3ret_t r", "callPC")],
  ["m3_exec.h", "r = Call (function->compiled, sp, _mem, d_m3OpDefaultArgs);", callOn("r", "function->compiled")],
  // The operations move into a file of their own, and whoever starts them changes over to their convention.
  [
    "m3_exec_defs.h",
    "#define d_m3Op(NAME)                M3_NO_UBSAN d_m3RetSig op_##NAME (d_m3OpSig)",
    '#include "operations.h"',
  ],
  ["m3_exec_defs.h", "d_m3RetSig  RunCode  (d_m3OpSig)\n{\n    nextOpDirect();\n}\n", ""],
  ["m3_env.c", "RunCode (", "enter_operations ("],
  ["m3_env.c", "runtime->memory.mallocated, d_m3OpDefaultArgs", "d_m3OpDefaultArgs, runtime->memory.mallocated"],
  ["m3_env.c", "NULL, d_m3OpDefaultArgs", "d_m3OpDefaultArgs, NULL"],
  // The library's popcount is a call.
  ["m3_exec.h", "Popcnt, __builtin_popcountll", "Popcnt, popcount64"],
];

/** A function of wasm is called on a value stack of its own. */
function callOn(result, code) {
  return `m3stack_t saved = _sp; _sp = sp; ${result} = Call (${code}, d_m3OpDefaultArgs); _sp = saved;`;
}

/**
 * Makes the patched copy and compiles its operations, once per content.
 * @param {string} source wasm3's sources
 * @param {string} parent where the copy's folder goes
 * @param build of the copy: compiler, debianPackage, flags, defines, sources
 * @returns the build with the copy and its operations
 */
export async function tuneWasm3(source, parent, build) {
  const own = OWN_FILES.map((name) => [name, readFileSync(new URL(name, import.meta.url), "utf8")]);
  const key = createHash("sha256")
    .update(JSON.stringify([source, build, own, PATCHES, FLAGS]))
    .digest("hex");
  const folder = join(parent, `wasm3-tuned-${key.slice(0, 16)}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    cpSync(source, unfinished, { recursive: true });
    for (const [name, text] of own) writeFileSync(join(unfinished, name), text);
    applyPatches(unfinished);
    await compileOperations(unfinished, build);
    renameSync(unfinished, folder);
  }
  return { ...build, wasm3: folder, sources: [...build.sources, join(folder, "operations.o")] };
}

function applyPatches(folder) {
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

async function compileOperations(folder, { compiler, debianPackage, flags, defines }) {
  const files = ["-c", join(folder, "operations.c"), "-o", join(folder, "operations.o")];
  await tool(compiler, [...FLAGS, ...flags, ...defines.map((define) => `-D${define}`), ...files], debianPackage);
}
