/** The parts of the firmware's core that need no model, in C under ASan and UBSan. */
import { expect, it } from "vitest";
import { runProgram, testProgram } from "../support/firmware.ts";

it.each([
  ["wasm3's arena", "heap_test", 3],
  ["offers", "offers_test", 6],
  ["the log", "log_test", 3],
])("%s", async (_, name, tests) => {
  const lines = await runProgram(await testProgram(name));
  expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(tests);
});
