/**
 * Machine instructions of a module on wasm3, without running wasm3: the operations that wasm3 makes of each function (metacode.ts), how often
 * each runs (step-counts.ts), and what each costs on a machine (operation-costs.json, read off the compiled interpreter).
 */
import { readFileSync } from "node:fs";
import { HedgeError } from "../../errors.ts";
import { MCU_BUILD } from "../../wasm3/code-pages.ts";
import { compileMetacode, type Metacode } from "../../wasm3/metacode.ts";
import { decodeWasm, OP, type WasmCode } from "../../wasm3/wasm-code.ts";
import type { RunnerJob } from "../wasm3-runner.ts";
import { countSteps, type StepCounts } from "./step-counts.ts";

/** Unmodified wasm3 on x86-64, without and with the popcnt instruction, and on a Cortex-M4; there also as firmware may tune it. */
export const COST_MACHINES = ["x86", "x86Popcnt", "arm", "armTuned"] as const;
export type CostMachine = (typeof COST_MACHINES)[number];
export type Instructions = Readonly<Record<CostMachine, number>>;

/** The same of each machine. */
export function onEach(of: (machine: CostMachine) => number): Instructions {
  return Object.fromEntries(COST_MACHINES.map((machine) => [machine, of(machine)])) as Record<CostMachine, number>;
}

/** Instructions that no operation counts: measured, in steps of small layers. */
interface Overheads {
  /** A call from the host, and its result. */
  readonly call: number;
  /** `load_weights`, and the C library's helper behind a copy or fill: beside their bytes. */
  readonly loadWeights: number;
  readonly copy: number;
  /** A byte that is loaded, copied or filled. */
  readonly perByte: number;
}

const HOST_OVERHEADS: Overheads = { call: 154, loadWeights: 50, copy: 12, perByte: 0.05 };
const ARM_OVERHEADS: Overheads = { call: 165, loadWeights: 85, copy: 52, perByte: 0.53 };
const OVERHEADS: Readonly<Record<CostMachine, Overheads>> = {
  x86: HOST_OVERHEADS,
  x86Popcnt: HOST_OVERHEADS,
  arm: ARM_OVERHEADS,
  armTuned: ARM_OVERHEADS,
};
const COPIES: ReadonlySet<string> = new Set(["MemCopy", "MemFill"]);

const COSTS = JSON.parse(readFileSync(new URL("operation-costs.json", import.meta.url), "utf8")) as Readonly<
  Record<string, Partial<Record<CostMachine, number>>>
>;

export interface StepEstimate {
  readonly step: number;
  readonly instructions: Instructions;
  /** Operations that wasm3 dispatches. */
  readonly dispatches: number;
  /** Functions of the module that run, by their index behind the imported ones. */
  readonly functions: readonly number[];
}

/** wasm3's code for a module, as firmware's build of wasm3 makes it. */
export interface ModuleCode {
  readonly code: WasmCode;
  readonly metacode: Metacode;
}

/**
 * @param name of the model, for errors
 * @throws HedgeError (input) for a module that holds what no module of this compiler does
 */
export function moduleCode(edgeWasm: Uint8Array, name: string): ModuleCode {
  return costKnown(name, () => {
    const code = decodeWasm(edgeWasm);
    return { code, metacode: compileMetacode(code, MCU_BUILD) };
  });
}

/**
 * Instructions of each step of one inference. As for the measured figure, the sample is not final at the exit; a module's work hardly depends
 * on the sample.
 * @param job as for the programs that measure
 * @throws HedgeError (input) for a module of which the cost is not known: one that calls native kernels, or that another compiler made
 */
export function estimateInstructions(job: RunnerJob, name = "the model"): StepEstimate[] {
  return estimateSteps(job, moduleCode(job.edgeWasm, name), name);
}

/** As `estimateInstructions`, with the module's code at hand. */
export function estimateSteps(job: RunnerJob, { code, metacode }: ModuleCode, name: string): StepEstimate[] {
  const steps = costKnown(name, () => {
    if (callsHostKernels(code)) throw new RangeError("it calls kernels of its host");
    return countSteps(job, code);
  });
  return steps.map(
    (counts, step): StepEstimate => ({
      step,
      instructions: onEach((machine) => instructionsOf(code, metacode, counts, machine)),
      dispatches: dispatchesOf(metacode, counts),
      functions: counts.counts.flatMap((row, f) => (row[0]! > 0 ? [f] : [])),
    }),
  );
}

/** Whether a module leaves work to native kernels. */
export function callsHostKernels({ imports }: WasmCode): boolean {
  return imports.some(({ name }) => name !== "hedge.load_weights");
}

function costKnown<T>(name: string, find: () => T): T {
  try {
    return find();
  } catch (cause) {
    if (!(cause instanceof RangeError || cause instanceof WebAssembly.RuntimeError)) throw cause;
    throw new HedgeError(
      "input",
      `The cost of edge.wasm of ${name} is not known: ${cause.message}.`,
      "Compile the model with this version of Hedge, with portable kernels.",
      { cause },
    );
  }
}

function instructionsOf(code: WasmCode, metacode: Metacode, step: StepCounts, machine: CostMachine): number {
  const { call, loadWeights, copy, perByte } = OVERHEADS[machine];
  const back = costOf("ContinueLoopIf.taken", machine) + costOf("Loop.round", machine);
  let sum = call + step.loads * (loadWeights + costOf("CallRawFunction", machine)) + perByte * step.bytesMoved;
  for (const [f, operations] of metacode.functions.entries()) {
    const counts = step.counts[f]!;
    for (const { name, instruction } of operations)
      sum += counts[instruction]! * (costOf(name, machine) + (COPIES.has(name) ? copy : 0));
    // A loop's body runs once more than the loop for each branch back to it.
    code.functions[f]!.instructions.forEach(({ op }, i) => {
      if (op === OP.loop) sum += (counts[i + 1]! - counts[i]!) * (back - costOf("ContinueLoopIf", machine));
    });
  }
  return Math.round(sum);
}

function dispatchesOf({ functions }: Metacode, { counts }: StepCounts): number {
  return functions.reduce(
    (sum, operations, f) => sum + operations.reduce((own, { instruction }) => own + counts[f]![instruction]!, 0),
    0,
  );
}

function costOf(name: string, machine: CostMachine): number {
  const cost = COSTS[name]?.[machine];
  if (cost === undefined) throw new RangeError(`what wasm3's operation ${name} costs is not in the table`);
  return cost;
}
