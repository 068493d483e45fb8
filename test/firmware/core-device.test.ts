/** The device's core between ports and a clock of the test's, on wasm3, in C under ASan and UBSan. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runProgram, testProgram } from "../support/firmware.ts";
import { probeModules } from "../support/probe.ts";

const folder = mkdtempSync(join(tmpdir(), "hedge-probe-"));
afterAll(() => rmSync(folder, { recursive: true }));
const modules = () => probeModules(folder);

it("modules run in wasm3's arena, or are refused", async () => {
  const program = await testProgram("model_test", ["crypto", "link", "board"]);
  const lines = await runProgram(program, modules());
  expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(4);
});

it("the device does with samples, results, commands and trials what it should", async () => {
  const program = await testProgram("device_test", ["crypto", "link", "board"]);
  const lines = await runProgram(program, modules());
  expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(35);
});

it("a device among noise, torn frames, time that jumps and ports that come and go keeps its books", async () => {
  const program = await testProgram("device_fuzz", ["crypto", "link", "board"]);
  const [line] = await runProgram(program, [...modules(), process.env.HEDGE_SEED ?? "1", "1000"]);
  const [, accounted, frames] = line!.match(/^lives 1000 accounted (\d+) frames (\d+)$/)!;
  expect(Number(accounted)).toBeGreaterThan(1000);
  expect(Number(frames)).toBeGreaterThan(20_000);
});
