/** The figures of the code generator: `figure NAME VALUE UNIT`, all of one run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { sumOfSteps } from "../wasm3-cost.ts";
import type { RunnerJob, StepCost } from "../wasm3-runner.ts";
import { bipolarConv, imageConv, levelConv, residualConv } from "./layer-kinds.ts";
import {
  boardInterpreter,
  boardProgram,
  hostInterpreter,
  hostInterpreterWithPopcnt,
  hostProgram,
  type Machine,
  tunedBoardInterpreter,
} from "./machines.ts";
import { type MeasuredLayer, measuredLayer } from "./measured-layer.ts";
import { countNative, naturalModule } from "./natural-c.ts";
import { resNet32 } from "./network.ts";

export interface FigureOptions {
  /** Takes each figure as soon as it is known. */
  readonly print: (line: string) => void;
  /** Takes what is being measured. */
  readonly progress: (what: string) => void;
}

/** Binarized layers on a map of 16x16; two each of a plain network and of a residual one. */
const BINARY_LAYERS: readonly (readonly [name: string, make: () => MeasuredLayer])[] = [
  ["binconv32", () => measuredLayer([32, 16, 16], bipolarConv(32, 16))],
  ["binconv64", () => measuredLayer([64, 16, 16], bipolarConv(64, 16))],
  ["resconv16", () => measuredLayer([16, 16, 16], residualConv(16, 16))],
  ["resconv32", () => measuredLayer([32, 16, 16], residualConv(32, 16))],
  ["resconv64", () => measuredLayer([64, 16, 16], residualConv(64, 16))],
];
const OTHER_LAYERS: typeof BINARY_LAYERS = [
  ["conv2w2a", () => measuredLayer([32, 16, 16], levelConv(2, 32, 16))],
  ["conv4w4a", () => measuredLayer([32, 16, 16], levelConv(4, 32, 16))],
  ["firstconv", () => measuredLayer([3, 32, 32], imageConv(3, 16, 32), residualConv(16, 32))],
];

/** @throws HedgeError: usage when a compiler, valgrind or QEMU is missing */
export async function codegenFigures({ print, progress }: FigureOptions): Promise<void> {
  const figure = (name: string, value: number, digits: number, unit: string): void =>
    print(`figure ${name} ${value.toFixed(digits)} ${unit}`);
  const folder = await mkdtemp(join(tmpdir(), "hedge-codegen-"));
  try {
    progress("building wasm3 for this host and for a Cortex-M4");
    const [x86, popcnt] = [await hostInterpreter(), await hostInterpreterWithPopcnt()];
    const [arm, tuned] = [await boardInterpreter(), await tunedBoardInterpreter()];

    for (const [name, make] of BINARY_LAYERS) {
      progress(name);
      const layer = compiled(make, progress);
      if (!layer) continue;
      const perMac = (what: string, instructions: number): void =>
        figure(what, instructions / layer.macs, 3, "instructions per MAC");
      const [onArm, onTuned, onX86, onPopcnt] = await countSteps([arm, tuned, x86, popcnt], layer.job);
      const natural = await naturalModule(layer.natural, layer.output, folder);
      const [clangArm, clangX86] = await countSteps([arm, x86], natural);
      perMac(`arm.${name}.stock`, onArm![layer.step]!.instructions);
      perMac(`arm.${name}.tuned`, onTuned![layer.step]!.instructions);
      perMac(`arm.${name}.clang`, sumOfSteps(clangArm!));
      perMac(`arm.${name}.native`, await countNative(layer.natural, layer.output, boardProgram, folder));
      perMac(`x86.${name}`, onX86![layer.step]!.instructions);
      perMac(`x86.${name}.popcnt`, onPopcnt![layer.step]!.instructions);
      perMac(`x86.${name}.clang`, sumOfSteps(clangX86!));
      perMac(`x86.${name}.native`, await countNative(layer.natural, layer.output, hostProgram, folder));
    }
    for (const [name, make] of OTHER_LAYERS) {
      progress(name);
      const layer = compiled(make, progress);
      if (!layer) continue;
      const [ours] = await countSteps([arm], layer.job);
      const [clang] = await countSteps([arm], await naturalModule(layer.natural, layer.output, folder));
      const [own, natural] = [ours![layer.step]!.instructions, sumOfSteps(clang!)];
      figure(`arm.${name}.stock`, own / layer.macs, 3, "instructions per MAC");
      figure(`arm.${name}.clang`, natural / layer.macs, 3, "instructions per MAC");
      figure(`${name}.vs_clang`, natural / own, 2, "times");
      const { BITS } = layer.natural.defines;
      if (BITS === undefined) continue;
      // The same in C by somebody who knows of bit planes.
      const planes = { ...layer.natural, source: "plane-conv.c" };
      const [clangPlanes] = await countSteps([arm], await naturalModule(planes, layer.output, folder));
      figure(`arm.${name}.clang_planes`, sumOfSteps(clangPlanes!) / layer.macs, 3, "instructions per MAC");
      figure(`${name}.vs_clang_planes`, sumOfSteps(clangPlanes!) / own, 2, "times");
    }
    progress("ResNet-32, 20 layers on the edge");
    const { job, bundle, compileSeconds } = await resNet32();
    const [stock, onTuned] = [await arm(job), await tuned(job)];
    figure("net.arm.portable", sumOfSteps(stock.steps) / 1e6, 1, "million instructions");
    figure("net.arm.portable.tuned", sumOfSteps(onTuned.steps) / 1e6, 1, "million instructions");
    figure("resnet32.metacode", stock.metacodeBytes, 0, "B");
    figure("resnet32.linear", job.module.memoryBytes, 0, "B");
    figure("resnet32.heap", stock.heapBytes, 0, "B");
    figure("resnet32.flash", bundle.edgeWasm.length + bundle.weights.length, 0, "B");
    figure("compile.resnet32", compileSeconds, 2, "s");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The layer, or undefined and the reason where there is no kernel for it. */
function compiled(make: () => MeasuredLayer, progress: FigureOptions["progress"]): MeasuredLayer | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof HedgeError)) throw error;
    progress(error.message);
    return undefined;
  }
}

/**
 * The steps of a module on each machine.
 * @throws HedgeError: internal when they leave different bytes in memory
 */
async function countSteps(machines: readonly Machine[], job: RunnerJob): Promise<(readonly StepCost[])[]> {
  const counts: (readonly StepCost[])[] = [];
  for (const machine of machines) {
    const { steps } = await machine(job);
    counts.push(steps);
    for (const [i, { step, memory }] of steps.entries())
      if (memory !== counts[0]![i]?.memory)
        throw new HedgeError(
          "internal",
          `Two builds of wasm3 compute different bytes in step ${step}.`,
          "Look at the patches of src/explore/codegen/tuned-wasm3.ts.",
        );
  }
  return counts;
}
