import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SMALL_SAMPLES, smallFleet, smallFolder } from "../../test/support/small-fleet.ts";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import { writeBundle } from "../bundle/write.ts";
import { meanArrivals } from "./load.ts";

let folder: string;
let remove: () => void;
beforeAll(async () => {
  ({ folder, remove } = await smallFolder());
  await writeBundle(join(folder, "alone"), await tinyBundle({ edgeOnly: true }));
  writeFileSync(join(folder, "odd.bin"), Buffer.alloc(7));
  writeFileSync(join(folder, "left.bin"), Buffer.from([0, 1, 2, 3, 4]));
});
afterAll(() => remove());

describe("a fleet's file, loaded", () => {
  it("shares bundles and samples among groups", async () => {
    const fleet = await smallFleet(folder, [
      { count: 3 },
      { count: 2, bundle: "other" },
      {
        count: 4,
        bundle: "./tiny",
        threshold: 0.2,
        data: { set: "later.bin", drift: { from: "1m", set: "samples.bin" } },
      },
    ]);
    expect(fleet.devices).toBe(9);
    expect(fleet.bundles.map(({ manifest }) => manifest.name)).toEqual(["tiny", "other"]);
    expect(fleet.samples.map(({ images }) => images.length)).toEqual([2 * SMALL_SAMPLES, SMALL_SAMPLES]);
    expect(fleet.groups.map(({ bundle, firstDevice, threshold }) => [bundle, firstDevice, threshold])).toEqual([
      [0, 0, 0.5],
      [1, 3, 0.5],
      [0, 5, 0.2],
    ]);
    const [first, , last] = fleet.groups;
    expect(last!.samples.start).toBe(SMALL_SAMPLES);
    expect(last!.driftSamples).toBe(first!.samples);
    const { labels } = fleet.samples[0]!;
    for (const [label, places] of last!.samples.byClass.entries())
      for (const place of places) expect([labels[place], place >= SMALL_SAMPLES]).toEqual([label, true]);
  });

  it("takes the time of an inference from a board's clock: twice the clock, half the time", async () => {
    const time = async (board: string) => (await smallFleet(folder, [{ board }])).groups[0]!.inferenceTime;
    const [slow, fast] = [await time("nrf52840-dk"), await time("stm32f4-discovery")];
    expect(slow.full / fast.full).toBeCloseTo(168 / 64, 9);
    expect(fast.exit).toBeGreaterThan(0);
    // What packs the payload is left out of a sample that ends at the exit.
    expect(fast.exit).toBeLessThan(fast.full);
  });

  it("knows how many samples a second a device takes", async () => {
    const { groups } = await smallFleet(folder, [
      { arrivals: { kind: "poisson", every: "4s" } },
      { arrivals: { kind: "bursts", every: "1s", on: "10s", off: "30s" } },
    ]);
    expect(groups.map(({ spec }) => meanArrivals(spec))).toEqual([0.25, 0.25]);
  });

  it.each([
    [{ bundle: "nowhere" }, "nowhere"],
    [{ bundle: "alone" }, "has no cloud part"],
    [{ data: "nowhere.bin" }, "nowhere.bin does not exist"],
    [{ data: "odd.bin" }, "odd.bin has 7 bytes"],
    [{ board: "abacus" }, 'No board is called "abacus"'],
    [
      { data: { set: "left.bin", shard: "by-class" as const, classes: 2 } },
      "Devices of the group g0 are to see 2 classes each, but their samples are of 1",
    ],
    [
      { data: { shard: "by-class" as const, classes: 2, drift: { from: "1m", set: "left.bin" } } },
      "Devices of the group g0 are to see 2 classes each, but their samples are of 1",
    ],
  ])("%j is refused: %s", async (group, flaw) => {
    await expect(smallFleet(folder, [group])).rejects.toThrow(flaw);
  });
});
