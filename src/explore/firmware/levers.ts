/** What each way to build wasm3 for firmware comes to, one by one: instructions of an inference on the emulated Cortex-M4, and bytes of flash. */
import { readFile } from "node:fs/promises";
import { countSteps } from "../codegen/count-steps.ts";
import { buildTuned, tunedBoardInterpreter } from "../codegen/machines.ts";
import type { Levers } from "../codegen/tuned-wasm3.ts";
import { mapOf } from "../wasm3-build.ts";
import { sumOfSteps } from "../wasm3-cost.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import { flashOf, readMap } from "./link-map.ts";

interface Lever {
  readonly name: string;
  /** Variables of firmware-wasm/wasm3/wasm3.mk. */
  readonly levers: Levers;
}

/** wasm3 as it comes. */
const PLAIN = { WASM3_CONVENTION: 0, WASM3_POPCOUNT: 0, WASM3_BOUNDS: 1 };
/** Loads are not moved in front, where their registers have to be saved first. */
const LATE = "-O2 -fno-schedule-insns -fno-auto-inc-dec";

export const FIRMWARE: Lever = { name: "the last three: the firmware", levers: {} };
/** wasm3 as it comes, by optimisation; with one thing changed; the firmware's build, and that with one thing changed. */
export const LEVERS: readonly Lever[] = [
  { name: "as it comes, -Os", levers: { ...PLAIN, WASM3_OPTIMISE: "-Os" } },
  { name: "as it comes, -O3", levers: { ...PLAIN, WASM3_OPTIMISE: "-O3" } },
  { name: "as it comes, -O2", levers: PLAIN },
  { name: "  late loads", levers: { ...PLAIN, WASM3_OPTIMISE: LATE } },
  { name: "  integer register in front", levers: { ...PLAIN, WASM3_CONVENTION: 1 } },
  { name: "  bits counted in place", levers: { ...PLAIN, WASM3_POPCOUNT: 1 } },
  { name: "  bounds checked in 32 bits", levers: { ...PLAIN, WASM3_BOUNDS: 2 } },
  { name: "  a convention of their own", levers: { ...PLAIN, WASM3_CONVENTION: 2 } },
  FIRMWARE,
  { name: "  but -Os", levers: { WASM3_OPTIMISE: "-Os" } },
  { name: "  but -O3", levers: { WASM3_OPTIMISE: "-O3" } },
  { name: "  but late loads", levers: { WASM3_OPTIMISE: LATE } },
  { name: "  but bits counted by calls", levers: { WASM3_POPCOUNT: 0 } },
  { name: "  but bounds checked in 64 bits", levers: { WASM3_BOUNDS: 1 } },
  { name: "  but C's convention", levers: { WASM3_CONVENTION: 0 } },
  { name: "  but no bounds checks", levers: { WASM3_BOUNDS: 0 } },
];

export interface LeverCost {
  readonly instructions: number;
  /** All of wasm3 that is linked. */
  readonly flashBytes: number;
}

/** @throws HedgeError: internal when builds leave different bytes in memory */
export async function countLevers(job: RunnerJob, take: (lever: Lever, cost: LeverCost) => void): Promise<void> {
  const reference = await tunedBoardInterpreter();
  for (const lever of LEVERS) {
    const machine = await tunedBoardInterpreter(lever.levers);
    const [, steps] = await countSteps([reference, machine], job);
    const map = readMap(await readFile(mapOf(await buildTuned(lever.levers)), "utf8"));
    take(lever, { instructions: sumOfSteps(steps!), flashBytes: flashOf(map, WASM3_OBJECTS) });
  }
}

const WASM3_OBJECTS = /\/(m3_\w+|operations)\.o$/;
