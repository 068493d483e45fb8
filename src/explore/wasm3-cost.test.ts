import { expect, test } from "vitest";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import { openEngine } from "../engine/open.ts";
import { measureWasm3, type Wasm3Profile } from "./wasm3-cost.ts";

const sample = Int8Array.of(3, -4, 100, 90);

test.each<Wasm3Profile>(["default", "mcu"])("counts every step of an inference: %s profile", async (profile) => {
  const bundle = await tinyBundle();
  const cost = await measureWasm3(bundle, sample, profile);
  expect(cost.steps.map(({ step }) => step)).toEqual([0, 1, 2]);
  for (const { instructions } of cost.steps) expect(instructions).toBeGreaterThan(50);
  // The step that computes costs more than the one that packs four bits.
  expect(cost.steps[1]!.instructions).toBeGreaterThan(cost.steps[2]!.instructions);
  expect(cost.instructions).toBeLessThan(20_000);

  const engine = openEngine(bundle, "wasm3", { threshold: 0 });
  const { label, entropy } = engine.classify(sample);
  expect(cost.result).toEqual([label, 0, entropy]);
  engine.close();
});

test("the same count every time, but for the alignment of buffers", async () => {
  const bundle = await tinyBundle();
  const [first, second] = [await measureWasm3(bundle, sample), await measureWasm3(bundle, sample)];
  expect(Math.abs(second.instructions - first.instructions)).toBeLessThan(first.instructions / 100);
});
