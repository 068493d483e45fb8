import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkYaml } from "../yaml.ts";
import { deviceName, fleetSchema } from "./spec.ts";

const read = (text: string) => checkYaml(text, "fleet.yaml", fleetSchema, "fleet");
const GROUP = "{ name: a, bundle: out, data: images }";

describe("a fleet's file", () => {
  it("needs little: groups of devices, what they run and on which samples", () => {
    const fleet = read(`groups: [${GROUP}]`);
    expect(fleet).toMatchObject({ seed: 1, time: "virtual", engine: "wasm3", inference: "each", duration: 3_600_000 });
    expect(fleet.cloud).toMatchObject({ workers: 1, maxBatch: 32, maxDelay: 0, batch: 2, sample: 0.2 });
    expect(fleet.groups[0]).toMatchObject({
      count: 1,
      data: { set: "images", shard: "iid" },
      arrivals: { kind: "periodic", every: 60_000, jitter: 0 },
      link: { latency: 20, loss: 0 },
      backoff: { first: 500, longest: 8_000 },
      deadline: 10_000,
    });
  });

  it("says what people mean in its own units", () => {
    const fleet = read(`
name: porch-cameras
seed: 7
duration: 1d
data: images
cloud: { workers: 2, outages: [{ at: 1h, last: 5m }], brokerOutages: { every: 6h, last: 1m } }
groups:
  - name: porch
    count: 5000
    bundle: out
    inferenceTime: { exit: 800ms, full: 0.9s }
    data: { shard: skew, alpha: 0.3, drift: { from: 1h, until: 2h } }
    arrivals: { kind: bursts, every: 1s, on: 10s, off: 10m }
    link: { bandwidth: 100kbit/s, loss: 1%, outages: { every: 1h, last: 2m } }
    energy: { active: 80mW, sleep: 30uW, radioByte: 2uJ, radioWake: 3mJ }
    battery: { capacity: 2000mWh, harvest: 1mW }
    clock: { offset: 50ms, drift: 40ppm, sync: 1h }
    reboots: { every: 1d, take: 3s }
`);
    expect(fleet.groups[0]).toMatchObject({
      inferenceTime: { exit: 800, full: 900 },
      link: { bandwidth: { up: 100_000, down: 100_000 }, loss: 0.01, outages: { every: 3_600_000, last: 120_000 } },
      battery: { capacity: 7_200, level: 1, harvest: 0.001 },
    });
    expect(fleet.groups[0]!.clock.drift).toBeCloseTo(40e-6, 12);
    expect(deviceName(fleet.groups[0]!, 4999)).toBe("porch-4999");
  });

  it.each([
    ["groups: []", "groups: "],
    [`groups: [${GROUP}, ${GROUP}]`, "groups[1].name: two groups are called a"],
    ["groups: [{ name: a, bundle: out }]", "groups[0].data: it has no samples"],
    [`speed: 9\ngroups: [${GROUP}]`, "speed"],
    [`seed: -1\ngroups: [${GROUP}]`, "seed: "],
    [`duration: 0s\ngroups: [${GROUP}]`, "duration: it has to be more than 0"],
    [`duration: 10\ngroups: [${GROUP}]`, "duration: it is no duration such as 250ms, 30s or 2d"],
    ["groups: [{ name: a b, bundle: out, data: x }]", "groups[0].name: it is no name of 1 to 16 letters"],
    ["groups: [{ name: a, count: 0, bundle: out, data: x }]", "groups[0].count: "],
    [
      "groups: [{ name: a, bundle: out, data: { set: x, classes: 2 } }]",
      "groups[0].data.classes: it belongs to `shard: by-class`",
    ],
    [
      "groups: [{ name: a, bundle: out, data: { set: x, drift: { from: 1m } } }]",
      "groups[0].data.drift: samples of all classes alike",
    ],
    [
      "groups: [{ name: a, bundle: out, data: { set: x, shard: skew, drift: { from: 2m, until: 1m } } }]",
      "complete before it begins",
    ],
    ["groups: [{ name: a, bundle: out, data: x, arrivals: { kind: sometimes } }]", "groups[0].arrivals"],
    [
      "groups: [{ name: a, bundle: out, data: x, arrivals: { kind: periodic, every: 1s, jitter: 0.6s } }]",
      "arrivals.jitter: it is more than half",
    ],
    ["groups: [{ name: a, bundle: out, data: x, link: { loss: 2 } }]", "groups[0].link.loss: it is no share"],
    [
      "groups: [{ name: a, bundle: out, data: x, link: { outages: [{ at: 2m, last: 2m }, { at: 3m, last: 1m }] } }]",
      "groups[0].link.outages",
    ],
    ["groups: [{ name: a, bundle: out, data: x, board: rp2040, inferenceTime: 1s }]", "give either a board or a time"],
    [
      "groups: [{ name: a, bundle: out, data: x, inferenceTime: { exit: 2s, full: 1s } }]",
      "takes longer than one that does not",
    ],
    ["groups: [{ name: a, bundle: out, data: x, battery: { capacity: 1Wh } }]", "what empties it is in `energy`"],
    ["groups: [{ name: a, bundle: out, data: x, firmware: { board: mps2-an386 } }]", "firmware runs in real time only"],
    [
      "groups: [{ name: a, count: 999999, bundle: out, data: x }, { name: b, count: 2, bundle: out, data: x }]",
      "1000001 devices are more than",
    ],
  ])("%s is refused: %s", (text, flaw) => {
    expect(() => read(text)).toThrow(flaw);
  });

  it.each(["{ name: b, bundle: out, data: x }", "{ name: c, bundle: out, data: x, firmware: { device: b-1 } }"])(
    "a board at the broker bears the name of no other device, such as one of %s",
    (other) => {
      const board = (device: string) => `{ name: a, bundle: out, data: x, firmware: { device: ${device} } }`;
      const text = (device: string) => `time: real\nbroker: mqtt://b\ngroups: [${other}, ${board(device)}]`;
      expect(() => read(text("b-1"))).toThrow("groups[1].firmware.device: another group has a device b-1 (line 3)");
      for (const free of ["b", "b-x", "a-1", "bb-1"]) expect(read(text(free)).groups.length).toBe(2);
    },
  );

  it("has no more groups and intervals than a report holds", () => {
    const groups = Array.from({ length: 101 }, (_, i) => `{ name: g${i}, bundle: out, data: x }`);
    expect(() => read(`intervals: 1000\ngroups: [${groups}]`)).toThrow(
      "intervals: every group has a row for each: 101000",
    );
  });

  it("has a JSON Schema for editors", () => {
    const schema = JSON.stringify(z.toJSONSchema(fleetSchema, { io: "input" }));
    for (const word of ["Mean length of a burst", "radioWake", "kbit"]) expect(schema).toContain(word);
  });
});
