/** The figures of a whole network. */
import { MCU_BUILD } from "../../wasm3/code-pages.ts";
import { moduleCode } from "../cost/estimate.ts";
import { wasm3Heap } from "../cost/heap.ts";
import { sumOfSteps } from "../wasm3-cost.ts";
import { countSteps } from "./count-steps.ts";
import type { EstimateErrors } from "./estimate-error.ts";
import type { Interpreters } from "./layer-counts.ts";
import { resNet32 } from "./network.ts";
import { countPlan } from "./plan-counts.ts";

/** Prints a figure: name, value, decimals, unit. */
export type Figure = (name: string, value: number, decimals: number, unit: string) => void;

/** @param folder for what is built */
export async function networkFigures(
  figure: Figure,
  { arm, tuned }: Pick<Interpreters, "arm" | "tuned">,
  estimates: EstimateErrors,
  folder: string,
): Promise<void> {
  const millions = (name: string, instructions: number): void =>
    figure(name, instructions / 1e6, 1, "million instructions");
  const portable = await resNet32("portable");
  const { job } = portable;
  const report = await arm(job);
  const [stock, onTuned] = await countSteps([arm, tuned], job);
  estimates.add("ResNet-32", job, stock!);
  millions("net.arm.portable", sumOfSteps(stock!));
  millions("net.arm.portable.tuned", sumOfSteps(onTuned!));

  const native = await resNet32("native");
  const [onStock] = await countSteps([arm], native.job);
  const pure = await countPlan(native, onStock!, folder);
  millions("net.arm.native", sumOfSteps(onStock!));
  figure("net.native_ratio", sumOfSteps(onStock!) / sumOfSteps(pure), 3, "times");

  figure("resnet32.metacode", report.metacodeBytes, 0, "B");
  figure("resnet32.linear", job.module.memoryBytes, 0, "B");
  figure("resnet32.heap", report.heapBytes, 0, "B");
  const { code, metacode } = moduleCode(job.edgeWasm, "ResNet-32");
  const estimated = wasm3Heap(code, metacode, MCU_BUILD, job.module).total;
  figure("estimate.heap.error", Math.abs(estimated - report.heapBytes), 0, "B");
  figure("resnet32.flash", job.edgeWasm.length + job.weights.length, 0, "B");
  figure("compile.resnet32", portable.compileSeconds, 2, "s");
}
