/** The machines on which layers are counted: this host under callgrind, and a Cortex-M4 emulated by QEMU. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildRunner, MCU_DEFINES, tool, wasm3Source } from "../../../dist/explore/wasm3-build.js";
import { runJob, runUnderCallgrind } from "../../../dist/explore/wasm3-runner.js";
import { tuneWasm3 } from "./tuned-wasm3.js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const X86 = { compiler: "cc", debianPackage: "build-essential", flags: [], defines: [], sources: [] };
const ARM = {
  compiler: "arm-none-eabi-gcc",
  debianPackage: "gcc-arm-none-eabi",
  flags: ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "--specs=rdimon.specs", "-T", here("board.ld")],
  defines: [...MCU_DEFINES, "d_m3MaxConstantTableSize=64", "d_m3HasFloat=0"],
  sources: [here("board.c")],
};

/**
 * Runs a program on the emulated board. With -icount shift=0 an instruction takes a nanosecond of the board's time, so that its timer counts
 * them.
 */
function runOnBoard(program, job) {
  return runJob(job, (folder, args) => {
    const semihosting = ["runner", ...args].map((arg) => `arg=${arg}`).join();
    const board = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"];
    const files = ["-semihosting-config", `enable=on,target=native,${semihosting}`, "-kernel", program];
    return tool("qemu-system-arm", [...board, ...files], "qemu-system-arm", folder);
  });
}

/** @typedef {(job: import("../../../src/explore/wasm3-runner.ts").RunnerJob) => Promise<import("../../../src/explore/wasm3-runner.ts").RunnerReport>} Machine */

/** wasm3 on each machine. @returns {Promise<Record<"x86" | "x86Popcnt" | "arm" | "armTuned", Machine>>} */
export async function interpreters() {
  // Without bounds checks: for modules whose signature says that Hedge wrote them, so that their addresses are sound.
  const tuned = { ...ARM, name: "arm-tuned", defines: [...ARM.defines, "d_m3SkipMemoryBoundsCheck=1"] };
  const builds = {
    x86: { ...X86, name: "x86" },
    x86Popcnt: { ...X86, name: "x86-popcnt", flags: ["-mpopcnt"] },
    arm: { ...ARM, name: "arm" },
    armTuned: await tuneWasm3(wasm3Source(), here("../build"), tuned),
  };
  const machines = {};
  for (const [name, build] of Object.entries(builds)) {
    const program = await buildRunner(build);
    machines[name] = (job) => (build.compiler === ARM.compiler ? runOnBoard : runUnderCallgrind)(program, job);
  }
  return machines;
}

/** A program in C, built as wasm3 is. @returns {Promise<Record<"x86" | "arm", Machine>>} */
export async function native(source, defines, folder) {
  const machines = {};
  for (const [name, { compiler, debianPackage, flags, sources }, start] of [
    ["x86", X86, runUnderCallgrind],
    ["arm", ARM, runOnBoard],
  ]) {
    const program = join(folder, name);
    const all = [
      "-O3",
      "-fwrapv",
      ...flags,
      ...defines.map((define) => `-D${define}`),
      "-o",
      program,
      source,
      ...sources,
    ];
    await tool(compiler, all, debianPackage);
    machines[name] = (job) => start(program, job);
  }
  return machines;
}
