/**
 * What a model costs on wasm3, counted in machine instructions of this host: callgrind counts them exactly, so the figure
 * is the same on a busy machine. The counted program is tools/bench/runner.c, which uses wasm3 as firmware does.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bundle } from "../bundle/bundle.ts";
import type { LayerRow } from "../bundle/manifest.ts";
import { thresholdWord } from "../engine/edge-engine.ts";
import { HedgeError } from "../errors.ts";

/** How wasm3 is built: with its defaults, or with the limits that firmware for a microcontroller sets. */
export type Wasm3Profile = "default" | "mcu";

const DEFINES: Record<Wasm3Profile, string[]> = {
  default: [],
  mcu: [
    "d_m3MaxFunctionStackHeight=128",
    "d_m3CodePageAlignSize=1024",
    "d_m3VerboseErrorMessages=0",
    "d_m3CascadedOpcodes=0",
  ],
};
const FLAGS = ["-O3", "-foptimize-sibling-calls", "-fomit-frame-pointer", "-fno-strict-aliasing", "-fwrapv", "-w"];
const WASM3_FILES = ["bind", "code", "compile", "core", "env", "exec", "function", "info", "module", "parse"];

const root = fileURLToPath(new URL("../../", import.meta.url));
const runnerSource = join(root, "tools", "bench", "runner.c");

const run = promisify(execFile);

/** Runs a program of the system; says which package has it when it is missing. */
async function tool(name: string, args: string[], debianPackage: string): Promise<string> {
  try {
    return (await run(name, args, { maxBuffer: 16 << 20 })).stdout;
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

function wasm3Source(): string {
  if (process.env.WASM3_SOURCE) return process.env.WASM3_SOURCE;
  // Resolved as @aspect/wasm3 resolves it, so that both run the same sources.
  const require = createRequire(join(root, "host", "wasm3", "install.js"));
  return join(dirname(require.resolve("react-native-webassembly/package.json")), "cpp");
}

/** Compiles the runner, once per content of its source and flags. */
async function buildRunner(profile: Wasm3Profile): Promise<string> {
  const source = wasm3Source();
  const defines = DEFINES[profile].map((define) => `-D${define}`);
  const key = createHash("sha256")
    .update(JSON.stringify([source, defines, FLAGS]))
    .update(await readFile(runnerSource))
    .digest("hex")
    .slice(0, 16);
  const folder = join(root, "tools", "bench", "build");
  const program = join(folder, `runner-${profile}-${key}`);
  if (existsSync(program)) return program;
  await mkdir(folder, { recursive: true });
  const files = WASM3_FILES.map((name) => join(source, `m3_${name}.c`));
  const unfinished = `${program}.${process.pid}`;
  await tool(
    "cc",
    [...FLAGS, ...defines, `-I${source}`, "-o", unfinished, runnerSource, ...files, "-lm"],
    "build-essential",
  );
  await rename(unfinished, program);
  return program;
}

export interface StepCost {
  readonly step: number;
  /** Machine instructions of this host, among them the copy of the step's weights. */
  readonly instructions: number;
}

export interface LayerCost {
  readonly layer: LayerRow;
  readonly instructions: number;
}

export interface Wasm3Cost {
  readonly steps: readonly StepCost[];
  /** Layers that have steps of their own, in order. */
  readonly layers: readonly LayerCost[];
  /** Of the whole inference, offloading included. */
  readonly instructions: number;
  /** Compiled code in bytes, at this host's pointer size; a 32-bit device needs about half. */
  readonly metacodeBytes: number;
  /** Label, exited, entropy: to compare with an engine's. */
  readonly result: readonly [number, number, number];
}

/** Instructions of each step, from callgrind's dumps: [step, count]. */
async function readDumps(folder: string): Promise<StepCost[]> {
  const steps: StepCost[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith("callgrind.")) continue;
    const text = await readFile(join(folder, name), "utf8");
    const step = /^desc: Trigger: Client Request: round 0 step (\d+)$/m.exec(text)?.[1];
    const total = /^totals: (\d+)$/m.exec(text)?.[1];
    if (step && total) steps.push({ step: Number(step), instructions: Number(total) });
  }
  return steps.sort((a, b) => a.step - b.step);
}

function sumByLayer(rows: readonly LayerRow[], steps: readonly StepCost[]): LayerCost[] {
  const costs: LayerCost[] = [];
  let next = 0;
  for (const layer of rows) {
    const own = steps.slice(next, next + layer.steps);
    next += layer.steps;
    if (own.length > 0)
      costs.push({ layer, instructions: own.reduce((sum, { instructions }) => sum + instructions, 0) });
  }
  return costs;
}

/**
 * Counts the instructions of one inference, step by step. The sample is not final at the exit (threshold 0), so that every
 * step runs; a compiled model's work does not depend on the sample.
 * Throws HedgeError: usage when valgrind or a C compiler is missing.
 */
export async function measureWasm3(
  bundle: Bundle,
  sample: Int8Array,
  profile: Wasm3Profile = "default",
): Promise<Wasm3Cost> {
  const program = await buildRunner(profile);
  const { module, layers } = bundle.manifest;
  const folder = await mkdtemp(join(tmpdir(), "hedge-cost-"));
  try {
    const files = { "edge.wasm": bundle.edgeWasm, "weights.bin": bundle.weights, "sample.bin": sample };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    const numbers = [
      module.memoryBytes,
      module.stackBytes,
      module.input,
      module.threshold,
      module.result,
      thresholdWord(0),
      module.steps,
      1,
    ];
    const output = await tool(
      "valgrind",
      [
        "--tool=callgrind",
        `--callgrind-out-file=${join(folder, "callgrind")}`,
        program,
        ...Object.keys(files).map((name) => join(folder, name)),
        ...numbers.map(String),
      ],
      "valgrind",
    );
    const steps = await readDumps(folder);
    const result = /^result (\d+) (\d+) (-?\d+)$/m.exec(output);
    const metacode = /^metacode (\d+)/m.exec(output);
    if (!result || !metacode || steps.length === 0) {
      throw new HedgeError(
        "internal",
        "The wasm3 runner under valgrind printed no result.",
        "Install valgrind with its headers and build the runner again.",
      );
    }
    return {
      steps,
      layers: sumByLayer(layers, steps),
      instructions: steps.reduce((sum, { instructions }) => sum + instructions, 0),
      metacodeBytes: Number(metacode[1]),
      result: [Number(result[1]), Number(result[2]), Number(result[3])],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
