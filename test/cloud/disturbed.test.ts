/** Devices that do harm to a worker tier on mosquitto: the others get their answers all the same. Short forms of `make soak`. */
import { afterEach, expect, it } from "vitest";
import { type DisturbedFigures, noisyDevice, poisonSamples } from "../../src/explore/cloud-bench/disturbed.ts";
import { overload } from "../../src/explore/cloud-bench/overload.ts";
import { poisoned } from "../../src/explore/cloud-bench/poison.ts";
import { hybridResNet } from "../../src/zoo/hybrid-resnet.ts";
import { type CloudSetting, cloudSetting } from "../support/cloud-setting.ts";

/** For a machine that is busy with something else. */
const TIMEOUT = 600_000;
const LOAD = { devices: 20, rate: 100, seconds: 3, turns: 1 };

let cloud: CloudSetting | undefined;
afterEach(() => cloud?.remove());

function expectOthersServed({ quiet, disturbed, conflicts, exits }: DisturbedFigures): void {
  expect(quiet.samples).toBeGreaterThan(0);
  for (const { samples, ...figures } of [quiet, disturbed])
    expect(figures).toMatchObject({ right: samples, wrong: 0, unanswered: 0 });
  expect({ conflicts, exits }).toEqual({ conflicts: 0, exits: 0 });
}

it(
  "refuses samples that kill whoever runs them, and answers the others",
  async () => {
    let poison = new Uint8Array();
    cloud = await cloudSetting({
      change: async (bundle) => {
        const killing = await poisoned(bundle);
        poison = Uint8Array.from(killing.poison);
        return killing.bundle;
      },
    });
    const figures = await poisonSamples(cloud.setting, { ...LOAD, workers: 2, every: 2, poison });
    expectOthersServed(figures);
    const { offered, told, answered } = figures.harmful;
    expect(offered).toBeGreaterThan(0);
    expect({ told, answered }).toEqual({ told: offered, answered: 0 });
  },
  TIMEOUT,
);

it(
  "answers the others while one device offers a hundred times as much",
  async () => {
    cloud = await cloudSetting();
    const figures = await noisyDevice(cloud.setting, { ...LOAD, workers: 1, times: 100 });
    expectOthersServed(figures);
    // The quota lets some through, and says so of the rest.
    const { offered, told, answered } = figures.harmful;
    expect(told).toBeGreaterThan(0);
    expect(told + answered).toBe(offered);
  },
  TIMEOUT,
);

it(
  "ends every sample when three times as many come as it can finish, and answers again afterwards",
  async () => {
    cloud = await cloudSetting({ shape: hybridResNet(56, 9, 2) });
    const options = { devices: 30, workers: 1, calm: 3, seconds: 6, times: 3, deadline: 1_000 };
    const figures = await overload(cloud.setting, options);
    const { silent, conflicts, exits, before, overloaded, after } = figures;
    expect({ silent, conflicts, exits }).toEqual({ silent: 0, conflicts: 0, exits: 0 });
    expect(before.wrong + overloaded.wrong + after.wrong).toBe(0);
    expect(after.right).toBeGreaterThan(0);
    expect(figures.rssGrowth).toBeLessThan(500e6);
  },
  TIMEOUT,
);
