/** A network of the native profile against a program in C that runs the same plan without an interpreter. */
import { HedgeError } from "../../errors.ts";
import type { StepCost } from "../wasm3-runner.ts";
import { boardProgram } from "./machines.ts";
import { withoutModule } from "./natural-c.ts";
import type { MeasuredNetwork } from "./network.ts";
import { planProgram } from "./plan-program.ts";

/**
 * Counts the program on the emulated board.
 * @param module the steps of the network's module, on any machine
 * @param folder for what is built
 * @throws HedgeError: internal when a step of the program leaves other bytes in memory
 */
export async function countPlan(
  network: MeasuredNetwork,
  module: readonly StepCost[],
  folder: string,
): Promise<readonly StepCost[]> {
  const program = await boardProgram(await planProgram(network, folder), folder);
  const { steps } = await program(withoutModule(network.job));
  const other = module.find(({ memory }, i) => steps[i]?.memory !== memory);
  if (other)
    throw new HedgeError(
      "internal",
      `The program in C leaves other bytes in memory than step ${other.step} of the module of the same plan.`,
      "One of tools/bench/codegen/natural/plan-program.c and the compiler is wrong.",
    );
  return steps;
}
