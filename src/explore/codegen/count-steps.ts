/** Counts a module on several builds of wasm3, which must agree. */
import { HedgeError } from "../../errors.ts";
import type { RunnerJob, StepCost } from "../wasm3-runner.ts";
import type { Machine } from "./machines.ts";

/**
 * The steps of a module on each machine.
 * @throws HedgeError: internal when they leave different bytes in memory
 */
export async function countSteps(machines: readonly Machine[], job: RunnerJob): Promise<(readonly StepCost[])[]> {
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
