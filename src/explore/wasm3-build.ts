/**
 * Builds tools/bench/runner.c, which uses wasm3 as firmware does, together with wasm3 and the native kernels: once per content of sources and flags.
 * tools/bench/codegen adds builds for other machines.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HedgeError } from "../errors.ts";

export interface RunnerBuild {
  /** Of the program, beside a key of its content. */
  readonly name: string;
  readonly compiler: string;
  /** Debian's package of the compiler. */
  readonly debianPackage: string;
  /** Flags beside FLAGS. */
  readonly flags: readonly string[];
  readonly defines: readonly string[];
  /** Flags for wasm3's operations only. */
  readonly operationFlags?: readonly string[];
  /** wasm3's C sources, when not the installed ones, whose compiler's file holds the operations. */
  readonly wasm3?: { readonly folder: string; readonly operations: string };
  /** C sources beside the runner's, the native kernels' and wasm3's. */
  readonly sources: readonly string[];
}

/** Limits for a microcontroller, which firmware sets. */
export const MCU_DEFINES = [
  "d_m3MaxFunctionStackHeight=128",
  "d_m3CodePageAlignSize=1024",
  "d_m3VerboseErrorMessages=0",
  "d_m3CascadedOpcodes=0",
];
const WASM3_FILES = ["bind", "code", "compile", "core", "env", "function", "info", "module", "parse"].map(
  (name) => `m3_${name}.c`,
);
export const FLAGS = [
  "-O3",
  // Each operation of wasm3 is a C function that tail-calls the next.
  "-foptimize-sibling-calls",
  "-fomit-frame-pointer",
  "-fno-strict-aliasing",
  // wasm3 computes i32.add and the like in signed C integers.
  "-fwrapv",
  "-w",
  "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free",
];

const root = fileURLToPath(new URL("../../", import.meta.url));
const bench = join(root, "tools", "bench");
const kernels = join(root, "firmware-wasm", "kernels");

const run = promisify(execFile);

/**
 * Runs a program of the system.
 * @returns what it wrote to stdout
 * @throws HedgeError saying which package has the program when it is missing, and what it said when it failed
 */
export async function tool(
  name: string,
  args: readonly string[],
  debianPackage: string,
  cwd?: string,
): Promise<string> {
  try {
    return (await run(name, args, { maxBuffer: 16 << 20, cwd })).stdout;
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === "ENOENT") {
      throw new HedgeError(
        "usage",
        `${name} is not installed.`,
        `Install it (Debian: apt-get install ${debianPackage}).`,
        { cause },
      );
    }
    const said = stderr?.trim().split("\n").at(-1) ?? String(cause);
    throw new HedgeError("internal", `${name} failed: ${said}.`, "Report this as a defect of Hedge.", { cause });
  }
}

/** The folder of wasm3's C sources. */
export function wasm3Source(): string {
  if (process.env.WASM3_SOURCE) return process.env.WASM3_SOURCE;
  // Resolved as @aspect/wasm3 resolves it, so that both run the same sources.
  const require = createRequire(join(root, "host", "wasm3", "install.js"));
  return join(dirname(require.resolve("react-native-webassembly/package.json")), "cpp");
}

/** C sources and headers of a folder. */
async function filesOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /\.[ch]$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** @returns the path of the program */
export async function buildRunner(build: RunnerBuild): Promise<string> {
  const { folder: wasm3, operations } = build.wasm3 ?? { folder: wasm3Source(), operations: "m3_compile.c" };
  const [own, native] = [await filesOf(bench), await filesOf(kernels)];
  const isSource = (file: string): boolean => file.endsWith(".c");
  const sources = [...own.filter(isSource), ...native.filter(isSource), ...build.sources];
  const hash = createHash("sha256").update(JSON.stringify([wasm3, build, FLAGS]));
  for (const file of [...own, ...native, ...build.sources, ...(await filesOf(wasm3))])
    hash.update(await readFile(file));
  const folder = join(bench, "build");
  const program = join(folder, `runner-${build.name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  await mkdir(folder, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const defines = build.defines.map((define) => `-D${define}`);
  const includes = [wasm3, bench, kernels].map((path) => `-I${path}`);
  const flags = [...FLAGS, ...build.flags, ...defines, ...includes];
  const object = `${unfinished}.o`;
  const operationFlags = [...flags, ...(build.operationFlags ?? []), "-c", join(wasm3, operations), "-o", object];
  await tool(build.compiler, operationFlags, build.debianPackage);
  const others = WASM3_FILES.filter((name) => name !== operations).map((name) => join(wasm3, name));
  await tool(build.compiler, [...flags, "-o", unfinished, ...sources, ...others, object, "-lm"], build.debianPackage);
  await rm(object);
  await rename(unfinished, program);
  return program;
}
