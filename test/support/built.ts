/** The command line as users run it: compiled. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "../..");
/** Apart from dist/, which belongs to whoever runs the tests. */
const OUT = join(ROOT, "build/test-dist");
const MAIN = join(OUT, "cli/main.js");
const STAMP = join(OUT, ".stamp");
const LOCK = join(OUT, ".lock");

/** Compiles src/ when it changed since, once for all test files that run at the same time; types are checked by `make check`. */
export function buildCli(): string {
  mkdirSync(OUT, { recursive: true });
  const asked = Date.now();
  while (isStale(asked)) {
    if (!takeLock()) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      continue;
    }
    try {
      const started = new Date();
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const project = join(ROOT, "tsconfig.build.json");
      execFileSync(process.execPath, [tsc, "-p", project, "--outDir", OUT, "--noCheck", "--declaration", "false"]);
      writeFileSync(STAMP, "");
      utimesSync(STAMP, started, started);
    } finally {
      rmSync(LOCK);
    }
  }
  return MAIN;
}

/** A compiled file of src/, such as one that a thread starts from. */
export function builtFile(path: string): URL {
  buildCli();
  return pathToFileURL(join(OUT, path));
}

/** A build that was begun after it was asked for is fresh enough, even if somebody goes on editing: otherwise there would be no end. */
function isStale(asked: number): boolean {
  if (!existsSync(STAMP)) return true;
  const stamp = statSync(STAMP).mtimeMs;
  if (stamp >= asked) return false;
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
  return files.some((name) => !name.endsWith(".test.ts") && statSync(join(ROOT, "src", name)).mtimeMs > stamp);
}

/** The lock names its process, so that one that was killed holds up nobody. */
function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = existsSync(LOCK) ? Number(readFileSync(LOCK, "utf8")) : 0;
    if (holder > 0 && !existsSync(`/proc/${holder}`)) rmSync(LOCK, { force: true });
    return false;
  }
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `hedge ...` to its end. */
export function runCli(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [buildCli(), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (output.stderr += text));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...output })));
}

/** Starts a command that runs until it is stopped, and resolves to its first line of output. */
export async function startCli(args: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [buildCli(), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const lines = createInterface(child.stdout);
  const line = await new Promise<string>((resolve, reject) => {
    lines.once("line", resolve);
    child.once("close", (code) => reject(new Error(`hedge ${args[0]} ended with ${code}: ${errors}`)));
  });
  return { child, line };
}

/** Ends a process as a power cut does: it says nothing, and finishes nothing. */
export async function cutOff(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
