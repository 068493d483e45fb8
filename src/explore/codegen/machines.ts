/** The machines on which instructions are counted: this host under callgrind, and a Cortex-M4 emulated by QEMU; each with wasm3, and for programs in C. */
import { join } from "node:path";
import { buildRunner, MCU_DEFINES, type RunnerBuild, tool } from "../wasm3-build.ts";
import { type RunnerJob, type RunnerReport, runJob, runUnderCallgrind } from "../wasm3-runner.ts";
import { KERNEL_FOLDER, sourceFile } from "./files.ts";
import { type Levers, tuneWasm3 } from "./tuned-wasm3.ts";

/** Runs a job and counts its instructions. */
export type Machine = (job: RunnerJob) => Promise<RunnerReport>;

/** A Cortex-M4 without floats, with the limits that firmware sets. */
export const ARM_BUILD: Omit<RunnerBuild, "name"> = {
  compiler: "arm-none-eabi-gcc",
  debianPackage: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  flags: [
    ...["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "--specs=rdimon.specs", "-T", sourceFile("board.ld")],
    // What nobody uses is left out, as in firmware.
    ...["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"],
  ],
  // An operation is a few instructions long and has few registers to work with: what is loaded as early as can be has to be saved first, and
  // addresses that step along need a copy. Without these two optimisations operations are 6 % shorter.
  operationFlags: ["-fno-schedule-insns", "-fno-auto-inc-dec"],
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

/** wasm3 on the board as firmware builds it, but for what `levers` says. */
export async function tunedBoardInterpreter(levers: Levers = {}): Promise<Machine> {
  const program = await buildTuned(levers);
  return (job) => runOnBoard(program, job);
}

/** @returns the path of the program behind `tunedBoardInterpreter` */
export async function buildTuned(levers: Levers): Promise<string> {
  return buildRunner(await tuneWasm3({ ...ARM_BUILD, name: "arm-tuned" }, levers));
}

/** A program in C that takes a runner's arguments and prints what a runner prints. */
export interface Program {
  readonly source: string;
  readonly defines: readonly string[];
  /** More sources. */
  readonly sources?: readonly string[];
}

/** Builds a program for a machine, in the folder. */
export type ProgramBuilder = (program: Program, folder: string) => Promise<Machine>;

export const hostProgram: ProgramBuilder = async (program, folder) => {
  const file = await compileProgram({ ...HOST_BUILD, name: "host-program" }, program, folder);
  return (job) => runUnderCallgrind(file, job);
};

export const boardProgram: ProgramBuilder = async (program, folder) => {
  const file = await compileProgram({ ...ARM_BUILD, name: "board-program" }, program, folder);
  return (job) => runOnBoard(file, job);
};

const PROGRAM_FLAGS = ["-O3", "-fwrapv", "-Wall", "-Wextra", "-Werror", `-I${KERNEL_FOLDER}`];

async function compileProgram(build: RunnerBuild, program: Program, folder: string): Promise<string> {
  const file = join(folder, build.name);
  const defines = program.defines.map((define) => `-D${define}`);
  const sources = [program.source, ...(program.sources ?? []), ...build.sources];
  const args = [...PROGRAM_FLAGS, ...build.flags, ...defines, "-o", file, ...sources];
  await tool(build.compiler, args, build.debianPackage);
  return file;
}
