/** Power cuts while models are installed, confirmed and given up: firmware-wasm/test/power_cut_test.c. */
import { runProgram, testProgram } from "./host-programs.ts";

export interface PowerCuts {
  /** Times a device had no valid model any more, or another than it must have. */
  readonly bricks: number;
  /** What was cut, for people. */
  readonly lines: readonly string[];
}

/** @param runs of five cuts in a row at random, behind one cut at every flash operation */
export async function cutPower(runs: number, seed: number): Promise<PowerCuts> {
  const program = await testProgram("power_cut_test", ["crypto"]);
  const lines = await runProgram(program, [String(runs), String(seed)]);
  const bricks = Number(/^bricks (\d+)$/.exec(lines.at(-1)!)?.[1] ?? Number.NaN);
  return { bricks, lines: lines.slice(0, -1) };
}
