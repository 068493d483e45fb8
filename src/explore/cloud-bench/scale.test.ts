import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildCli } from "../../../test/support/built.ts";
import { tinyHybrid } from "../../../test/support/tiny-cloud.ts";
import { writeBundle } from "../../bundle/write.ts";
import type { RunCost } from "../../fleet/result.ts";
import { growth, scaleFigures } from "./scale.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-scale-test-"));
  await writeBundle(join(folder, "bundle"), await tinyHybrid());
  const records = Array.from({ length: 30 }, (_, i) => [i % 3, i * 7, 255 - i, i * 3, i]);
  await writeFile(join(folder, "images.bin"), Uint8Array.from(records.flat()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("figures are of fleets that were really run, the largest ones", async () => {
  const lines: string[] = [];
  const svg = await scaleFigures({
    bundle: join(folder, "bundle"),
    images: join(folder, "images.bin"),
    hedge: buildCli(),
    sizes: { wasm3: [20, 60], v8: [100] },
    print: (line) => lines.push(line),
    report: () => undefined,
  });
  expect(lines.slice(0, 3).map((line) => line.replace(/:.*/, ""))).toEqual([
    "20 devices on wasm3",
    "60 devices on wasm3",
    "100 devices on v8",
  ]);
  expect(lines.slice(3).map((line) => line.replace(/^(figure \S+) [\d.]+ /, "$1 "))).toEqual([
    "figure fleet.wasm3.devices devices",
    "figure fleet.wasm3.seconds s",
    "figure fleet.wasm3.devices_per_second devices/s",
    "figure fleet.rss_per_device B",
    "figure fleet.v8.devices devices",
    "figure fleet.v8.seconds s",
    "figure fleet.v8.devices_per_second devices/s",
    "figure fleet.v8.rss_per_device B",
    "figure fleet.linear times",
  ]);
  expect(lines).toContain("figure fleet.wasm3.devices 60 devices");
  expect(svg).toContain("<title>Time of processors that a fleet takes, by its devices</title>");
});

it("growth is the cost of a device in the largest fleet by that in the small ones", () => {
  const point = (devices: number, cpuSeconds: number) => ({ devices, cost: { cpuSeconds } as RunCost });
  expect(growth([point(100, 1), point(1_000, 10), point(10_000, 100)])).toBeCloseTo(1, 12);
  expect(growth([point(100, 1), point(1_000, 10), point(10_000, 250)])).toBeCloseTo(2.5, 12);
});
