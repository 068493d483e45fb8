/** The worker tier as processes on mosquitto, under load, while workers, brokers and the store are taken away: short forms of `make soak`. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  killBroker,
  killWorkers,
  type OutageFigures,
  withoutStore,
  withoutWorkers,
} from "../../src/explore/cloud-bench/outages.ts";
import { type CloudSetting, cloudSetting } from "../support/cloud-setting.ts";

/** For a machine that is busy with something else. */
const TIMEOUT = 600_000;
const LOAD = { devices: 50, workers: 3, patience: 300 };

let cloud: CloudSetting;
beforeAll(async () => {
  cloud = await cloudSetting();
});
afterAll(() => cloud.remove());

function expectNothingLost({ offered, ...figures }: OutageFigures): void {
  expect(offered).toBeGreaterThan(0);
  expect(figures).toMatchObject({ right: offered, wrong: 0, unanswered: 0, conflicts: 0, exits: 0 });
}

it(
  "answers every sample while workers are killed, one after the other, for 30 seconds",
  async () => {
    const figures = await killWorkers(cloud.setting, { ...LOAD, seconds: 30, rate: 500, every: 2 });
    expectNothingLost(figures);
    expect(figures.outages).toBeGreaterThan(0);
    // Some were lost with their worker, and offered again.
    expect(figures.frames).toBeGreaterThan(figures.offered);
  },
  TIMEOUT,
);

it(
  "answers every sample when the broker is killed twice",
  async () => {
    const figures = await killBroker(cloud.setting, { ...LOAD, seconds: 10, rate: 200, every: 3.5 });
    expectNothingLost(figures);
    expect(figures.outages).toBeGreaterThan(0);
  },
  TIMEOUT,
);

it(
  "answers every sample that came while there was no worker",
  async () => {
    const figures = await withoutWorkers(cloud.setting, { ...LOAD, seconds: 8, rate: 200, away: 5 });
    expectNothingLost(figures);
    expect(figures.frames).toBeGreaterThan(figures.offered);
  },
  TIMEOUT,
);

it(
  "goes on answering while PostgreSQL is gone, and writes again when it is back",
  async () => {
    const figures = await withoutStore(cloud.setting, { ...LOAD, workers: 2, seconds: 8, rate: 100, away: 3 });
    expectNothingLost(figures);
    expect(figures.stored).toBeGreaterThan(0);
  },
  TIMEOUT,
);
