import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulateSmall, smallFleet, smallFolder } from "../support/small-fleet.ts";

let folder: string;
let remove: () => void;
beforeAll(async () => {
  ({ folder, remove } = await smallFolder());
});
afterAll(() => remove());

describe("a fleet in virtual time", () => {
  it("runs", async () => {
    const fleet = await smallFleet(folder, [
      { count: 50, link: { loss: "5%" }, arrivals: { kind: "poisson", every: "5s" } },
    ]);
    const result = await simulateSmall(fleet);
    const again = await simulateSmall(fleet);
    expect(JSON.stringify(again)).toBe(JSON.stringify(result));
  });
});
