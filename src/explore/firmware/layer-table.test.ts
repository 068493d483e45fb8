/** What the shipped model's modules may cost on the firmware's wasm3, against C that runs the same plan: counts are the same on every machine. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { countNetwork, layerTable } from "./layer-table.ts";

const MODEL = join(import.meta.dirname, "../../../models/resnet20-12e6c-2bit/model.onnx");

it("native at most 1.15 of C, portable at most 4.0", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "hedge-layers-"));
  try {
    const counted = await countNetwork(await readFile(MODEL), MODEL, folder);
    expect(counted.native / counted.c).toBeLessThan(1.15);
    expect(counted.portable / counted.c).toBeLessThan(4);
    expect(counted.native).toBeGreaterThan(counted.c);
    expect(layerTable(counted)).toHaveLength(counted.layers.length + 2);
    for (const { portable, native, c } of counted.layers) expect(Math.min(portable, native, c)).toBeGreaterThan(10_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
