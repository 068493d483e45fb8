/**
 * What a model costs on wasm3, counted in machine instructions of this host: callgrind counts them exactly, so the figure
 * is the same on a busy machine. The counted program is tools/bench/runner.c, which uses wasm3 as firmware does.
 */
import type { Bundle } from "../bundle/bundle.ts";
import type { LayerRow } from "../bundle/manifest.ts";
import { buildRunner, MCU_DEFINES, type RunnerBuild } from "./wasm3-build.ts";
import { type RunnerReport, runUnderCallgrind, type StepCost } from "./wasm3-runner.ts";

/** How wasm3 is built: with its defaults, or with the limits that firmware for a microcontroller sets. */
export type Wasm3Profile = "default" | "mcu";

const HOST = { compiler: "cc", debianPackage: "build-essential", flags: [], sources: [] };
const BUILDS: Record<Wasm3Profile, RunnerBuild> = {
  default: { ...HOST, name: "default", defines: [] },
  mcu: { ...HOST, name: "mcu", defines: MCU_DEFINES },
};

export interface LayerCost {
  readonly layer: LayerRow;
  readonly instructions: number;
}

/** Of the whole inference, offloading included; metacode at this host's pointer size: a 32-bit device needs about half. */
export interface Wasm3Cost extends RunnerReport {
  /** Layers that have steps of their own, in order. */
  readonly layers: readonly LayerCost[];
  readonly instructions: number;
}

/** Instructions by layer, from those by step. */
export function sumByLayer(rows: readonly LayerRow[], steps: readonly StepCost[]): LayerCost[] {
  const costs: LayerCost[] = [];
  let next = 0;
  for (const layer of rows) {
    const own = steps.slice(next, next + layer.steps);
    next += layer.steps;
    if (own.length > 0) costs.push({ layer, instructions: sumOfSteps(own) });
  }
  return costs;
}

export function sumOfSteps(steps: readonly StepCost[]): number {
  return steps.reduce((sum, { instructions }) => sum + instructions, 0);
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
  const { module, layers } = bundle.manifest;
  const { edgeWasm, weights } = bundle;
  const report = await runUnderCallgrind(await buildRunner(BUILDS[profile]), { edgeWasm, weights, sample, module });
  return { ...report, layers: sumByLayer(layers, report.steps), instructions: sumOfSteps(report.steps) };
}
