/** How far the estimated instructions are from the counted ones. */
import { estimateInstructions } from "../cost/estimate.ts";
import type { RunnerJob, StepCost } from "../wasm3-runner.ts";

export class EstimateErrors {
  #worst = { name: "", error: 0 };

  /** Compares the steps of a module as unmodified wasm3 runs them on the board. */
  add(name: string, job: RunnerJob, counted: readonly StepCost[]): void {
    const estimates = estimateInstructions(job, name);
    for (const { step, instructions } of counted) {
      const error = Math.abs(estimates[step]!.instructions.arm / instructions - 1);
      if (error > this.#worst.error) this.#worst = { name: `step ${step} of ${name}`, error };
    }
  }

  /** The step that is estimated worst, and its error as a share of what was counted. */
  get worst(): { readonly name: string; readonly error: number } {
    return this.#worst;
  }
}
