/** The machines on which instructions are counted: this host under callgrind, and a Cortex-M4 emulated by QEMU; each with wasm3, and for programs in C. */
import { join } from "node:path";
import { buildRunner, MCU_DEFINES, type RunnerBuild, tool } from "../wasm3-build.ts";
import { type RunnerJob, type RunnerReport, runJob, runUnderCallgrind } from "../wasm3-runner.ts";
import { sourceFile } from "./files.ts";
import { tuneWasm3 } from "./tuned-wasm3.ts";

/** Runs a job and counts its instructions. */
export type Machine = (job: RunnerJob) => Promise<RunnerReport>;

/** A Cortex-M4 without floats, with the limits that firmware sets. */
export const ARM_BUILD: Omit<RunnerBuild, "name"> = {
  compiler: "arm-none-eabi-gcc",
  debianPackage: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  flags: ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "--specs=rdimon.specs", "-T", sourceFile("board.ld")],
  defines: [...MCU_DEFINES, "d_m3MaxConstantTableSize=64", "d_m3HasFloat=0"],
  sources: [sourceFile("board.c")],
};
const HOST_BUILD: Omit<RunnerBuild, "name"> = {
  compiler: "cc",
  debianPackage: "build-essential",
  flags: [],
  defines: [],
  sources: [],
};

const BOARD = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"];

/** Runs a program on the emulated board, whose timer counts instructions: with -icount shift=0 each takes a nanosecond of the board's time. */
function runOnBoard(program: string, job: RunnerJob): Promise<RunnerReport> {
  return runJob(job, (folder, args) => {
    const semihosting = ["enable=on", "target=native", ...["runner", ...args].map((arg) => `arg=${arg}`)].join();
    const all = [...BOARD, "-semihosting-config", semihosting, "-kernel", program];
    return tool("qemu-system-arm", all, "qemu-system-arm", folder);
  });
}

/** wasm3 on this host as it is. */
export async function hostInterpreter(): Promise<Machine> {
  const program = await buildRunner({ ...HOST_BUILD, name: "default" });
  return (job) => runUnderCallgrind(program, job);
}

/** wasm3 on this host, using the machine's instruction for counting bits. */
export async function hostInterpreterWithPopcnt(): Promise<Machine> {
  const program = await buildRunner({ ...HOST_BUILD, name: "popcnt", flags: ["-mpopcnt"] });
  return (job) => runUnderCallgrind(program, job);
}

/** Unmodified wasm3 on the board. */
export async function boardInterpreter(): Promise<Machine> {
  const program = await buildRunner({ ...ARM_BUILD, name: "arm" });
  return (job) => runOnBoard(program, job);
}

/** wasm3 on the board as its firmware may build it; without bounds checks: the firmware runs what is signed, and Hedge signs what it has checked. */
export async function tunedBoardInterpreter(): Promise<Machine> {
  const defines = [...ARM_BUILD.defines, "d_m3SkipMemoryBoundsCheck=1"];
  const program = await buildRunner(await tuneWasm3({ ...ARM_BUILD, name: "arm-tuned", defines }));
  return (job) => runOnBoard(program, job);
}

/** Flags of native programs. */
const NATIVE_FLAGS = ["-O3", "-fwrapv", "-Wall", "-Wextra", "-Werror"];

/**
 * A program in C that prints what the runner prints.
 * @param folder for what is built
 */
export async function hostProgram(source: string, defines: readonly string[], folder: string): Promise<Machine> {
  const program = await compileProgram({ ...HOST_BUILD, name: "host-program", defines }, source, folder);
  return (job) => runUnderCallgrind(program, job);
}

/** The same for the board. */
export async function boardProgram(source: string, defines: readonly string[], folder: string): Promise<Machine> {
  const program = await compileProgram({ ...ARM_BUILD, name: "board-program", defines }, source, folder);
  return (job) => runOnBoard(program, job);
}

async function compileProgram(build: RunnerBuild, source: string, folder: string): Promise<string> {
  const program = join(folder, build.name);
  const defines = build.defines.map((define) => `-D${define}`);
  const args = [...NATIVE_FLAGS, ...build.flags, ...defines, "-o", program, source, ...build.sources];
  await tool(build.compiler, args, build.debianPackage);
  return program;
}
