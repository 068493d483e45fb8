/** The firmware on this machine, under ASan and UBSan: as a process that stands in for a device, and its parts in test programs written in C. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FIRMWARE = join(ROOT, "firmware-wasm");
const BUILD = join(ROOT, "build/test-firmware");
const IMAGE = join(BUILD, "host-asan");

const run = promisify(execFile);

let built: Promise<void> | undefined;

/** One build at a time in the folder, whoever wants it. */
function build(): Promise<void> {
  mkdirSync(BUILD, { recursive: true });
  const make = ["make", "-s", "-C", FIRMWARE, "BOARD=host", "SANITIZE=1", `BUILD=${BUILD}`, "image"];
  built ??= run("flock", [join(BUILD, "lock"), ...make], { maxBuffer: 16 << 20 }).then(
    () => undefined,
    (cause: { stderr: string }) => {
      throw new Error(`The firmware does not build for the host:\n${cause.stderr}`);
    },
  );
  return built;
}

/** The firmware for the host board. */
export async function hostFirmware(): Promise<string> {
  await build();
  return join(IMAGE, "firmware");
}

/** What of the firmware a test program in firmware-wasm/test does itself, by the object's path without its ending; "board" stands for the host board. */
const REPLACEABLE = { main: "core/main", crypto: "core/crypto", link: "core/link", board: "boards/host" } as const;

/**
 * Builds firmware-wasm/test/NAME.c with the firmware's objects, without main and what else it replaces.
 * @returns the program's path
 */
export async function testProgram(name: string, replaced: readonly (keyof typeof REPLACEABLE)[] = []): Promise<string> {
  await build();
  const objects = join(IMAGE, "objects");
  const without = (["main", ...replaced] as const).map((part) => REPLACEABLE[part]);
  const linked = readdirSync(objects, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".o") && !without.some((part) => file.startsWith(part)))
    .map((file) => join(objects, file));
  return compile(name, linked);
}

/**
 * Builds firmware-wasm/test/NAME.c with some sources of the firmware alone, by their paths in firmware-wasm.
 * @returns the program's path
 */
export async function unitProgram(name: string, sources: readonly string[]): Promise<string> {
  mkdirSync(BUILD, { recursive: true });
  return compile(
    name,
    sources.map((source) => join(FIRMWARE, source)),
  );
}

/** Under the sanitizers, with the program's own warnings as errors. */
async function compile(name: string, inputs: readonly string[]): Promise<string> {
  const program = join(BUILD, name);
  // Another process may be at the same.
  const unfinished = `${program}.${process.pid}`;
  const mbedtls = "../build/third-party/mbedtls/include";
  const includes = ["core", "boards", "kernels", "crypto", "test", mbedtls].map((path) => `-I${join(FIRMWARE, path)}`);
  const defines = ["HEDGE_HEAP_BYTES=131072", "HEDGE_TLS=0", 'MBEDTLS_CONFIG_FILE="mbedtls_config.h"'].map(
    (each) => `-D${each}`,
  );
  const sanitizers = ["-fsanitize=address", "-fsanitize=undefined", "-fno-sanitize-recover=all"];
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  const language = ["-std=gnu11", "-g", "-O1", ...sanitizers, ...warnings, ...includes, ...defines];
  const source = join(FIRMWARE, "test", `${name}.c`);
  await run("gcc", [...language, source, ...inputs, "-o", unfinished], { maxBuffer: 16 << 20 });
  await rename(unfinished, program);
  return program;
}

/** Runs a test program to its end, with `input` on its standard input. @returns its lines; throws with what it said when it failed */
export async function runProgram(program: string, args: readonly string[] = [], input = ""): Promise<string[]> {
  const running = run(program, args, { maxBuffer: 64 << 20 });
  // One that reads nothing may have ended before.
  running.child.stdin?.on("error", () => undefined).end(input);
  try {
    return (await running).stdout.trimEnd().split("\n");
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout: string; stderr: string };
    throw new Error(`${relative(BUILD, program)} failed:\n${stdout.slice(-2000)}\n${stderr.slice(-6000)}`);
  }
}

export interface HostBoard {
  readonly child: ChildProcess;
  /** Of its UART, for the link. */
  readonly link: string;
  /** Ends the process; throws with what it said when a sanitizer had something to report. */
  stop(): Promise<void>;
}

/** Starts the firmware as a process with its flash in a file. */
export async function startHostBoard(flash: string): Promise<HostBoard> {
  const child = spawn(await hostFirmware(), ["--flash", flash, "--uart", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  // Whatever ends this process, the device does not outlive it.
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void ended.then(() => process.off("exit", end));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once("line", resolve);
    child.once("close", () => reject(new Error(`The firmware ended: ${said}`)));
  });
  return {
    child,
    link: `tcp:127.0.0.1:${line.replace("uart ", "")}`,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      if (said !== "") throw new Error(`The firmware said: ${said}`);
    },
  };
}
