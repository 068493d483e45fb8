/** The command line as users run it: compiled. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ROOT = join(import.meta.dirname, "../..");
/** Apart from dist/, which belongs to whoever runs the tests. */
const OUT = join(ROOT, "build/test-dist");
const MAIN = join(OUT, "cli/main.js");

/** Compiles src/ when it changed since; types are checked by `make check`. */
export function buildCli(): string {
  const stamp = existsSync(MAIN) ? statSync(join(OUT, ".stamp")).mtimeMs : 0;
  const newest = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(ROOT, "src", name)).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0);
  if (newest >= stamp) {
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const project = join(ROOT, "tsconfig.build.json");
    execFileSync(process.execPath, [tsc, "-p", project, "--outDir", OUT, "--noCheck", "--declaration", "false"]);
    execFileSync("touch", [join(OUT, ".stamp")]);
  }
  return MAIN;
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
