/** How long a module takes on a board: estimated instructions (see src/explore/cost) at the board's clock. */
import type { Board } from "../boards/boards.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { openEngine } from "../engine/open.ts";
import { estimateInstructions } from "../explore/cost/estimate.ts";

/** Milliseconds. */
export interface InferenceTime {
  /** Of a sample that ends at the exit. */
  readonly exit: number;
  /** Of one whose payload is packed too. */
  readonly full: number;
}

/** wasm3's operations on a Cortex-M: the middle of the range that docs/firmware.md reasons out. An assumption, not a measurement. */
const CYCLES_PER_INSTRUCTION = 1.6;

/**
 * @param sample any; a module's work hardly depends on it
 * @throws HedgeError (input) for a module whose cost is not known, as one that calls native kernels
 */
export function estimateInferenceTime(bundle: Bundle, sample: Int8Array, board: Board): InferenceTime {
  const { edgeWasm, weights, manifest } = bundle;
  const steps = estimateInstructions({ edgeWasm, weights, sample, module: manifest.module }, manifest.name);
  const milliseconds = (count: number) =>
    (steps.slice(0, count).reduce((sum, { instructions }) => sum + instructions.armTuned, 0) * CYCLES_PER_INSTRUCTION) /
    (board.clockMHz * 1e3);
  return { exit: milliseconds(stepsToExit(bundle, sample)), full: milliseconds(steps.length) };
}

/** Steps of a sample that is final at the exit. */
function stepsToExit(bundle: Bundle, sample: Int8Array): number {
  const engine = openEngine(bundle, "v8", { threshold: Number.POSITIVE_INFINITY });
  try {
    engine.begin(sample);
    let steps = 1;
    while (!engine.step()) steps++;
    return steps;
  } finally {
    engine.close();
  }
}
