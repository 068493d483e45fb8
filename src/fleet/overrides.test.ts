import { describe, expect, it } from "vitest";
import { HedgeError } from "../errors.ts";
import { checkYaml } from "../yaml.ts";
import { type Overrides, withOverrides } from "./overrides.ts";
import { fleetSchema } from "./spec.ts";

const fleet = (counts: readonly number[], more = "") =>
  checkYaml(
    `data: images\n${more}\ngroups:\n${counts.map((count, i) => `  - { name: g${i}, count: ${count}, bundle: out }`).join("\n")}\n`,
    "fleet.yaml",
    fleetSchema,
    "fleet",
  );
const REAL = "time: real\nbroker: mqtt://127.0.0.1:1883";

describe("what the command line changes", () => {
  it("is what it says, and nothing else", () => {
    const spec = fleet([3]);
    expect(withOverrides(spec, {})).toEqual(spec);
    const changes: Overrides = { seed: 9, duration: 60_000, engine: "v8", inference: "once", time: "virtual" };
    expect(withOverrides(spec, changes)).toEqual({ ...spec, ...changes });
  });

  it.each([
    [[5_000, 1_000], 6_000, [5_000, 1_000]],
    [[5_000, 1_000], 600, [500, 100]],
    [[5_000, 1], 100, [99, 1]],
    [[1, 1, 1], 3, [1, 1, 1]],
    [[1, 1, 1], 100, [33, 34, 33]],
    [[1, 1, 1_000_0], 3, [1, 1, 1]],
  ])("devices keep the proportions of %j among %i", (counts, devices, expected) => {
    expect(withOverrides(fleet(counts), { devices }).groups.map(({ count }) => count)).toEqual(expected);
  });

  it("firmware is as many boards as the file says", () => {
    const spec = fleet([10, 2], REAL);
    spec.groups[1]!.firmware = { board: "mps2-an386" };
    expect(withOverrides(spec, { devices: 6 }).groups.map(({ count }) => count)).toEqual([4, 2]);
  });

  it.each<[string, Overrides, string]>([
    ["real time without a broker", { time: "real" }, "Real time needs a broker's address."],
    ["fewer devices than groups", { devices: 1 }, "1 devices do not fit the file's 2 groups."],
    ["more devices than a fleet may have", { devices: 1_000_001 }, "1000001 devices do not fit"],
  ])("%s is refused", (_, changes, sentence) => {
    const change = () => withOverrides(fleet([1, 1]), changes);
    expect(change).toThrow(HedgeError);
    expect(change).toThrow(sentence);
  });

  it("firmware is refused in virtual time", () => {
    const spec = fleet([1], REAL);
    spec.groups[0]!.firmware = { board: "mps2-an386" };
    expect(() => withOverrides(spec, { time: "virtual" })).toThrow("The group g0 is firmware");
  });
});
