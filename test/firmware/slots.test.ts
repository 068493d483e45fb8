/** Model slots on the device, in C under ASan and UBSan, on flash that can lose its power. */
import { expect, it } from "vitest";
import { runProgram, testProgram } from "../support/firmware.ts";

const SEED = process.env.HEDGE_SEED ?? "1";
const CUT_RUNS = 2000;

it("survive power cuts", async () => {
  const program = await testProgram("power_cut_test", ["crypto"]);
  const lines = await runProgram(program, [String(CUT_RUNS), SEED]);
  const cuts = [...lines.find((line) => line.startsWith("cuts "))!.matchAll(/ (\w+) (\d+)/g)];
  expect(cuts.map(([, phase]) => phase)).toEqual(["start", "begin", "chunk", "finish", "confirm", "reject"]);
  // Each kind of operation was hit; of the random ones a few runs end before their fifth.
  for (const [, , count] of cuts) expect(Number(count)).toBeGreaterThan(40);
  const operations = Number(/^operations (\d+)/.exec(lines[0]!)![1]);
  const total = cuts.reduce((sum, [, , count]) => sum + Number(count), 0);
  expect(total - 6 * operations).toBeGreaterThan(4.9 * CUT_RUNS);
  expect(lines.at(-1)).toBe("bricks 0");
});
