/**
 * Copies wasm3's sources with a few lines replaced, and Hedge's files beside them: node patch.js SOURCE FOLDER
 *
 * The operations move into a file of their own, operations.c, and operations.h says how they call each other. What a patch replaces must be
 * there, so that another version of wasm3 is refused rather than built half patched.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = ["bind", "code", "compile", "core", "env", "function", "info", "module", "parse"].map(
  (name) => `m3_${name}.c`,
);
const HEADERS = [
  ...["bind", "code", "compile", "config", "config_platforms", "core", "env", "exception", "exec", "exec_defs"],
  ...["function", "info", "math_utils"],
].map((name) => `m3_${name}.h`);
const COPIED = [...SOURCES, ...HEADERS, "wasm3.h", "wasm3_defs.h"];
const OWN = ["operations.c", "operations.h", "popcount.h"];

/** [file, what is replaced wherever it occurs there, by what]. */
const PATCHES = [
  ["m3_exec_defs.h", "pc_t _pc, m3stack_t _sp, M3MemoryHeader * _mem, m3reg_t _r0", "HEDGE_PARAMETERS"],
  ["m3_exec_defs.h", "_sp, _mem, _r0", "HEDGE_ARGUMENTS"],
  ["m3_exec_defs.h", "#define d_m3Op(NAME)                M3_NO_UBSAN d_m3RetSig op_##NAME (d_m3OpSig)\n", ""],
  ["m3_exec_defs.h", '#include "m3_core.h"', '#include "m3_core.h"\n#include "operations.h"'],
  ["m3_exec_defs.h", "d_m3RetSig  RunCode  (d_m3OpSig)\n{\n    nextOpDirect();\n}\n", ""],
  ["m3_exec.h", "Call (callPC, sp, _mem, d_m3OpDefaultArgs)", "HEDGE_CALL (callPC, sp)"],
  ["m3_exec.h", "Call (function->compiled, sp, _mem, d_m3OpDefaultArgs)", "HEDGE_CALL (function->compiled, sp)"],
  ["m3_exec.h", "Popcnt, __builtin_popcountll", "Popcnt, popcount64"],
  ["m3_exec.h", "Popcnt, __builtin_popcount)", "Popcnt, popcount32)"],
  ["m3_exec.h", "u64 operand = ", "hedge_address operand = "],
  ...["SRC_TYPE", "DEST_TYPE", "TYPE"].map((type) => [
    "m3_exec.h",
    `operand + sizeof (${type}) <= _mem->length`,
    `HEDGE_WITHIN (operand, offset, sizeof (${type}))`,
  ]),
  ["m3_env.c", "RunCode (", "enter_operations ("],
  ["m3_env.c", ", d_m3OpDefaultArgs)", ")"],
  // What HEDGE_WITHIN relies on.
  [
    "m3_env.c",
    "        size_t numBytes = numPageBytes +",
    "        if (numPagesToAlloc) _throwif (m3Err_wasmMemoryOverflow, numPageBytes < 8);\n        size_t numBytes = numPageBytes +",
  ],
];

const [source, folder] = process.argv.slice(2);
if (!source || !folder) {
  console.error("usage: node patch.js SOURCE FOLDER");
  process.exit(2);
}
const own = dirname(fileURLToPath(import.meta.url));
const texts = new Map(COPIED.map((name) => [name, readFileSync(join(source, name), "utf8")]));
for (const [file, from, to] of PATCHES) {
  const text = texts.get(file);
  if (!text.includes(from)) {
    console.error(
      `${file} of wasm3 has no ${JSON.stringify(from)}, which a patch replaces: adapt firmware-wasm/wasm3/patch.js`,
    );
    process.exit(1);
  }
  texts.set(
    file,
    text.replaceAll(from, () => to),
  );
}
mkdirSync(folder, { recursive: true });
for (const [name, text] of texts) writeFileSync(join(folder, name), text);
for (const name of OWN) copyFileSync(join(own, name), join(folder, name));
