/** Messages that no device sends, at a worker on mosquitto that has ordinary work besides. Short form of `make soak`. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ingest } from "../../src/explore/cloud-bench/ingest.ts";
import { type CloudSetting, cloudSetting } from "../support/cloud-setting.ts";

/** For a machine that is busy with something else. */
const TIMEOUT = 600_000;

let cloud: CloudSetting;
beforeAll(async () => {
  cloud = await cloudSetting();
});
afterAll(() => cloud.remove());

it(
  "refuses the corpus and damaged frames, lives on, and answers the others",
  async () => {
    const seed = fc.readConfigureGlobal().seed as number;
    const options = { seconds: 8, hostile: 400, rate: 50, devices: 10, seed };
    const { offered, sent, dead, rssGrowth, ...figures } = await ingest(cloud.setting, options);
    expect(figures).toMatchObject({ right: offered, wrong: 0, unanswered: 0, conflicts: 0, exits: 0 });
    expect(offered).toBeGreaterThan(0);
    expect(sent).toBeGreaterThan(500);
    expect(dead).toBeGreaterThan(sent / 4);
    expect(rssGrowth).toBeLessThan(200e6);
  },
  TIMEOUT,
);
