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
  /** wasm3's C sources, when not the installed ones, and flags for all of them. */
  readonly wasm3?: { readonly folder: string; readonly flags: readonly string[] };
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

/** wasm3's sources: all but its operations, which are part of its compiler unless they were put into a file of their own. */
function wasm3Files(folder: string): { operations: string; others: string[] } {
  const apart = join(folder, "operations.c");
  const operations = existsSync(apart) ? apart : join(folder, "m3_compile.c");
  const all = WASM3_FILES.map((name) => join(folder, name));
  return { operations, others: all.filter((file) => file !== operations) };
}

/** The linker's map of a program that buildRunner made. */
export function mapOf(program: string): string {
  return `${program}.map`;
}

/** @returns the path of the program */
export async function buildRunner(build: RunnerBuild): Promise<string> {
  const { folder: wasm3, flags: wasm3Flags } = build.wasm3 ?? { folder: wasm3Source(), flags: [] };
  const [own, native] = [await filesOf(bench), await filesOf(kernels)];
  const isSource = (file: string): boolean => file.endsWith(".c");
  const sources = [...own.filter(isSource), ...native.filter(isSource), ...build.sources];
  const hash = createHash("sha256").update(JSON.stringify([wasm3, build, FLAGS]));
  for (const file of [...own, ...native, ...build.sources, ...(await filesOf(wasm3))])
    hash.update(await readFile(file));
  const folder = join(bench, "build");
  const program = join(folder, `runner-${build.name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  const unfinished = `${program}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const defines = build.defines.map((define) => `-D${define}`);
  const includes = [wasm3, bench, kernels].map((path) => `-I${path}`);
  const flags = [...FLAGS, ...build.flags, ...defines, ...includes];
  const compile = (files: readonly string[], ...more: readonly string[]): Promise<string> =>
    tool(build.compiler, [...flags, ...more, "-c", ...files], build.debianPackage, unfinished);
  const { operations, others } = wasm3Files(wasm3);
  await compile(sources);
  await compile(others, ...wasm3Flags);
  await compile([operations], ...wasm3Flags, ...(build.operationFlags ?? []));
  const objects = (await readdir(unfinished)).map((name) => join(unfinished, name));
  const [linked, map] = [join(unfinished, "runner"), join(unfinished, "runner.map")];
  await tool(build.compiler, [...flags, "-o", linked, ...objects, `-Wl,-Map=${map}`, "-lm"], build.debianPackage);
  await rename(map, mapOf(program));
  await rename(linked, program);
  await rm(unfinished, { recursive: true });
  return program;
}
