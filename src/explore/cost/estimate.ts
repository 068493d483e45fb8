/**
 * Machine instructions of a module on wasm3, without running wasm3: the operations that wasm3 makes of each function (metacode.ts), how often
 * each runs (counted on V8), and what each costs on a machine (operation-costs.json, read off the compiled interpreter).
 */
import { readFileSync } from "node:fs";
import type { Bundle } from "../../bundle/bundle.ts";
import { weightLoader } from "../../engine/edge-engine.ts";
import { HedgeError } from "../../errors.ts";
import { MCU_BUILD } from "./code-pages.ts";
import { BYTES, countedModule } from "./counted-module.ts";
import { compileMetacode, type Metacode } from "./metacode.ts";
import { decodeWasm, OP, type WasmCode } from "./wasm-code.ts";

/** x86-64 without and with the popcnt instruction, and Cortex-M4. */
export type CostMachine = "x86" | "x86Popcnt" | "arm";

/** Instructions that no operation counts. */
interface Overheads {
  /** A call from the host, and its result. */
  readonly call: number;
  /** `load_weights`, and the helper behind any copy or fill, beside their bytes. */
  readonly loadWeights: number;
  readonly perByte: number;
}

const OVERHEADS: Record<CostMachine, Overheads> = {
  x86: { call: 150, loadWeights: 60, perByte: 0.06 },
  x86Popcnt: { call: 150, loadWeights: 60, perByte: 0.06 },
  arm: { call: 200, loadWeights: 80, perByte: 0.6 },
};

const COSTS = JSON.parse(readFileSync(new URL("operation-costs.json", import.meta.url), "utf8")) as Record<
  string,
  Partial<Record<CostMachine, number>>
>;

export interface StepEstimate {
  readonly step: number;
  readonly instructions: Readonly<Record<CostMachine, number>>;
  /** Operations that wasm3 dispatches. */
  readonly dispatches: number;
  /** Functions of the module that run, by their index behind the imported ones. */
  readonly functions: readonly number[];
}

/** What one step ran: counts by function and instruction, and bytes that were moved. */
interface StepCounts {
  readonly counts: readonly Float64Array[];
  readonly bytesMoved: number;
  readonly loads: number;
}

/**
 * Instructions of each step of one inference. As for the measured figure, the sample is not final at the exit; a module's work hardly depends
 * on the sample.
 * @param bundle one that the compiler of this version made
 */
export function estimateInstructions(bundle: Bundle): StepEstimate[] {
  return estimateSteps(bundle).steps;
}

/**
 * As `estimateInstructions`, with what it rests on.
 * @throws HedgeError (input) for a module of which the cost is not known: one that calls native kernels, or that another compiler made
 */
export function estimateSteps(bundle: Bundle): { code: WasmCode; metacode: Metacode; steps: StepEstimate[] } {
  const { code, metacode } = understand(bundle);
  const steps = countSteps(bundle, code).map((counts, step): StepEstimate => {
    const on = (machine: CostMachine): number => instructionsOf(code, metacode, counts, machine);
    return {
      step,
      instructions: { x86: on("x86"), x86Popcnt: on("x86Popcnt"), arm: on("arm") },
      dispatches: dispatchesOf(metacode, counts),
      functions: counts.counts.flatMap((row, f) => (row[0]! > 0 ? [f] : [])),
    };
  });
  return { code, metacode, steps };
}

function understand({ edgeWasm, manifest }: Bundle): { code: WasmCode; metacode: Metacode } {
  try {
    const code = decodeWasm(edgeWasm);
    if (code.imports.length > 1) throw new RangeError("it calls kernels of its host");
    return { code, metacode: compileMetacode(code, MCU_BUILD) };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new HedgeError(
      "input",
      `The cost of edge.wasm of ${manifest.name} is not known: ${cause.message}.`,
      "Compile the model with this version of Hedge, with portable kernels.",
      { cause },
    );
  }
}

function countSteps(bundle: Bundle, code: WasmCode): StepCounts[] {
  const { manifest } = bundle;
  const { bytes, counters } = countedModule(code);
  let linear = new Uint8Array(0);
  let loads = 0;
  let loaded = 0;
  const load = weightLoader(bundle, (at, weights) => {
    linear.set(weights, at);
    loads++;
    loaded += weights.length;
  });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const { exports } = new WebAssembly.Instance(module, { hedge: { load_weights: load } });
  linear = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
  // Noise: data-dependent branches, few as they are, go either way.
  for (let i = 0; i < manifest.module.inputBytes; i++) linear[manifest.module.input + i] = (i * 2654435761) >>> 24;
  const read = (name: string): number => (exports[name] as WebAssembly.Global<"i32">).value >>> 0;
  const totals = (): StepCounts => ({
    counts: counters.map((names) => Float64Array.from(names, read)),
    bytesMoved: read(BYTES) + loaded,
    loads,
  });
  const steps: StepCounts[] = [];
  let before = totals();
  for (let index = 0, done = 0; index < manifest.module.steps && done === 0; index++) {
    done = (exports.step as (index: number) => number)(index);
    const after = totals();
    steps.push({
      counts: after.counts.map((row, f) => row.map((count, i) => count - before.counts[f]![i]!)),
      bytesMoved: after.bytesMoved - before.bytesMoved,
      loads: after.loads - before.loads,
    });
    before = after;
  }
  return steps;
}

function instructionsOf(code: WasmCode, metacode: Metacode, step: StepCounts, machine: CostMachine): number {
  const { call, loadWeights, perByte } = OVERHEADS[machine];
  let sum = call + step.loads * (loadWeights + costOf("CallRawFunction", machine)) + perByte * step.bytesMoved;
  for (const [f, operations] of metacode.functions.entries()) {
    const counts = step.counts[f]!;
    const { instructions } = code.functions[f]!;
    for (const { name, instruction } of operations) sum += counts[instruction]! * costOf(name, machine);
    // A branch that is taken, back to its loop or on, is a count less behind it than before it.
    instructions.forEach(({ op }, i) => {
      if (op !== OP.loop) return;
      const rounds = counts[i + 1]! - counts[i]!;
      const back = costOf("ContinueLoopIf.taken", machine) + costOf("Loop.round", machine);
      sum += rounds * (back - costOf("ContinueLoopIf", machine));
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
  if (cost === undefined) throw new RangeError(`the cost of wasm3's operation ${name} is not known`);
  return cost;
}
