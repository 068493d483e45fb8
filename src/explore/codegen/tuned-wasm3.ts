/**
 * wasm3 as firmware for one product may build it: a patched copy of the installed sources, its operations compiled by a calling convention
 * that suits an interpreter. What a patch replaces must be there, so that another version of wasm3 is refused rather than measured half tuned.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { type RunnerBuild, tool, wasm3Source } from "../wasm3-build.ts";
import { BUILD_FOLDER, sourceFile } from "./files.ts";

const OWN_FILES = ["operations.c", "operations.h", "popcount.h"];
/** Registers that no operation has to save: the operations' convention has no callee-saved ones but the frame's. */
const SCRATCH_REGISTERS = [4, 5, 6, 8].map((n) => `-fcall-used-r${n}`);
const FLAGS = ["-O3", "-foptimize-sibling-calls", "-fno-strict-aliasing", "-fwrapv", "-w", ...SCRATCH_REGISTERS];

interface Patch {
  readonly file: string;
  /** Replaced wherever it occurs in the file. */
  readonly from: string;
  readonly to: string;
}

const PATCHES: readonly Patch[] = [
  // The integer register is 64 bits wide: behind three pointers it would lie on the native stack. The memory and the value stack, which few
  // operations change, leave the arguments for registers of their own.
  {
    file: "m3_exec_defs.h",
    from: "pc_t _pc, m3stack_t _sp, M3MemoryHeader * _mem, m3reg_t _r0",
    to: "pc_t _pc, m3reg_t _r0",
  },
  { file: "m3_exec_defs.h", from: "_sp, _mem, _r0", to: "_r0" },
  {
    file: "m3_exec.h",
    from: "m3ret_t r = Call (callPC, sp, _mem, d_m3OpDefaultArgs);",
    to: callOnStack("m3ret_t r", "callPC"),
  },
  {
    file: "m3_exec.h",
    from: "r = Call (function->compiled, sp, _mem, d_m3OpDefaultArgs);",
    to: callOnStack("r", "function->compiled"),
  },
  // The operations move into a file of their own, and whoever starts them changes over to their convention.
  {
    file: "m3_exec_defs.h",
    from: "#define d_m3Op(NAME)                M3_NO_UBSAN d_m3RetSig op_##NAME (d_m3OpSig)",
    to: '#include "operations.h"',
  },
  { file: "m3_exec_defs.h", from: "d_m3RetSig  RunCode  (d_m3OpSig)\n{\n    nextOpDirect();\n}\n", to: "" },
  { file: "m3_env.c", from: "RunCode (", to: "enter_operations (" },
  {
    file: "m3_env.c",
    from: "runtime->memory.mallocated, d_m3OpDefaultArgs",
    to: "d_m3OpDefaultArgs, runtime->memory.mallocated",
  },
  { file: "m3_env.c", from: "NULL, d_m3OpDefaultArgs", to: "d_m3OpDefaultArgs, NULL" },
  // The library's popcount is a call.
  { file: "m3_exec.h", from: "Popcnt, __builtin_popcountll", to: "Popcnt, popcount64" },
];

/** A function of wasm has a value stack of its own. */
function callOnStack(result: string, code: string): string {
  return `m3stack_t saved = _sp; _sp = sp; ${result} = Call (${code}, d_m3OpDefaultArgs); _sp = saved;`;
}

/**
 * Makes the patched copy and compiles its operations, once per content.
 * @param build of a 32-bit Arm
 * @returns the build with the copy in place of the installed sources
 * @throws HedgeError: internal when a patch does not fit
 */
export async function tuneWasm3(build: RunnerBuild): Promise<RunnerBuild> {
  const source = wasm3Source();
  const own = await Promise.all(OWN_FILES.map((name) => readFile(sourceFile(name), "utf8")));
  const key = createHash("sha256")
    .update(JSON.stringify([source, build, own, PATCHES, FLAGS]))
    .digest("hex");
  const folder = join(BUILD_FOLDER, `wasm3-tuned-${key.slice(0, 16)}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    await copyPatched(source, unfinished);
    await compileOperations(unfinished, build);
    await rename(unfinished, folder);
  }
  return { ...build, wasm3: folder, sources: [...build.sources, join(folder, "operations.o")] };
}

/** Copies wasm3's sources with the patches and the files that they need. */
export async function copyPatched(source: string, folder: string): Promise<void> {
  await cp(source, folder, { recursive: true });
  for (const name of OWN_FILES) await cp(sourceFile(name), join(folder, name));
  for (const { file, from, to } of PATCHES) {
    const path = join(folder, file);
    const text = await readFile(path, "utf8");
    if (!text.includes(from)) {
      const remedy = "Adapt the patches of src/explore/codegen/tuned-wasm3.ts to this version of wasm3.";
      throw new HedgeError("internal", `${file} of wasm3 has no "${from}", which a patch replaces.`, remedy);
    }
    await writeFile(
      path,
      text.replaceAll(from, () => to),
    );
  }
}

async function compileOperations(folder: string, build: RunnerBuild): Promise<void> {
  const { compiler, debianPackage, flags, operationFlags = [], defines } = build;
  const files = ["-c", join(folder, "operations.c"), "-o", join(folder, "operations.o")];
  await tool(
    compiler,
    [...FLAGS, ...flags, ...operationFlags, ...defines.map((define) => `-D${define}`), ...files],
    debianPackage,
  );
}
