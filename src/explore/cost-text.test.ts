import { expect, test } from "vitest";
import type { LayerRow } from "../bundle/manifest.ts";
import { costFigures, costLines } from "./cost-text.ts";
import type { Wasm3Cost } from "./wasm3-cost.ts";

const layer = (name: string, weightBits: number, macs: number): LayerRow => ({
  name,
  kind: "conv",
  outputShape: [1],
  weightBits,
  activationBits: 1,
  macs,
  weightBytes: 0,
  activationBytes: 0,
  steps: 1,
});
const cost: Wasm3Cost = {
  steps: [0, 1, 2, 3].map((step) => ({ step, instructions: [900, 200, 100, 50][step]!, memory: "" })),
  layers: [
    { layer: layer("first conv/0", 8, 100), instructions: 900 },
    { layer: layer("a", 1, 100), instructions: 200 },
    { layer: layer("b", 1, 300), instructions: 100 },
    { layer: layer("payload", 16, 0), instructions: 50 },
  ],
  instructions: 1250,
  metacodeBytes: 0,
  heapBytes: 0,
  result: [0, 0, 0],
};

test("packed convolutions weigh by their MACs; a figure's name is one word", () => {
  expect(costFigures(cost)).toEqual([
    "figure wasm3.ir_per_mac 0.750 instructions",
    "figure wasm3.ir_per_mac.first_conv_0 9.000 instructions",
    "figure wasm3.ir_per_mac.a 2.000 instructions",
    "figure wasm3.ir_per_mac.b 0.333 instructions",
  ]);
});

test("a line per layer, and the sum", () => {
  const lines = costLines(cost);
  expect(lines).toHaveLength(5);
  expect(lines[0]).toMatch(/^first conv\/0 +conv +900 +9\.000 per MAC$/);
  expect(lines[3]).toMatch(/^payload +conv +50$/);
  expect(lines[4]).toBe("4 steps, 1250 instructions");
});
