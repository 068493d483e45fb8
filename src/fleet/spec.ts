/** A fleet's file: what there is, and what happens to it. Its schema is its documentation, also in editors (`hedge schema fleet`). */
import { z } from "zod";
import { someDuration } from "../units.ts";
import { readYaml } from "../yaml.ts";
import { cloudSchema } from "./spec-cloud.ts";
import { groupSchema } from "./spec-group.ts";
import { path, text } from "./spec-parts.ts";

export const MAX_DEVICES = 1_000_000;
/** Of groups and intervals: each is counted by itself. */
const MOST_ROWS = 100_000;

export const fleetSchema = z
  .strictObject({
    name: text.default("fleet").describe("What reports call it"),
    seed: z.int().min(0).max(0xffffffff).default(1).describe("Of everything random: the same seed gives the same run"),
    time: z
      .enum(["virtual", "real"])
      .default("virtual")
      .describe(
        "virtual: simulated, as fast as this machine computes; real: devices talk to a broker, second by second",
      ),
    duration: someDuration.prefault("1h").describe("How long samples arrive; what is under way then is still settled"),
    engine: z
      .enum(["wasm3", "v8"])
      .default("wasm3")
      .describe("What runs the modules: wasm3 as on devices, or V8, faster; same bytes"),
    inference: z
      .enum(["each", "once"])
      .default("each")
      .describe(
        "each: every sample is run on its device; once: what devices of one bundle and threshold would all compute is run once",
      ),
    data: path
      .optional()
      .describe("Labelled samples for groups that name none: a folder of images or a file of records"),
    intervals: z.int().min(1).max(1000).default(60).describe("Rows over time in the report"),
    cloud: cloudSchema.prefault({}).describe("The worker tier as virtual time models it"),
    broker: z
      .string()
      .max(2048)
      .optional()
      .describe("Of real time: the MQTT broker's address, such as mqtt://127.0.0.1:1883"),
    groups: z.array(groupSchema).min(1).max(1000).describe("Devices that are alike"),
  })
  .superRefine((fleet, context) => {
    const flaw = (at: PropertyKey[], message: string) => context.addIssue({ code: "custom", path: at, message });
    const names = new Set<string>();
    for (const [i, group] of fleet.groups.entries()) {
      if (names.has(group.name)) flaw(["groups", i, "name"], `two groups are called ${group.name}`);
      names.add(group.name);
      const device = group.firmware?.device;
      if (device !== undefined && fleet.groups.some((other, j) => j !== i && hasDevice(other, device)))
        flaw(["groups", i, "firmware", "device"], `another group has a device ${device}`);
      if (fleet.data === undefined && group.data.set === undefined)
        flaw(["groups", i, "data"], "it has no samples: name a set of them here, or in the fleet's `data`");
      if (group.firmware !== undefined && fleet.time === "virtual")
        flaw(
          ["groups", i, "firmware"],
          "firmware runs in real time only: write `time: real` and a broker, or leave it out",
        );
    }
    const rows = fleet.groups.length * fleet.intervals;
    if (rows > MOST_ROWS)
      flaw(["intervals"], `every group has a row for each: ${rows} are more than the ${MOST_ROWS} that a report holds`);
    const devices = deviceCount(fleet);
    if (devices > MAX_DEVICES)
      flaw(["groups"], `${devices} devices are more than the ${MAX_DEVICES} that a fleet may have`);
  });
export type FleetSpec = z.infer<typeof fleetSchema>;
export type GroupSpec = FleetSpec["groups"][number];

export function deviceCount({ groups }: { readonly groups: readonly { readonly count: number }[] }): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

/** What the `index`-th device of a group is called; its MQTT client id as well. */
export function deviceName(group: { readonly name: string }, index: number): string {
  return `${group.name}-${index}`;
}

/** Of two clients of one name a broker keeps one. Whatever the group's count, for the command line may change it. */
function hasDevice({ name, firmware }: GroupSpec, device: string): boolean {
  if (firmware?.device !== undefined) return firmware.device === device;
  return device.startsWith(`${name}-`) && /^\d+$/.test(device.slice(name.length + 1));
}

/** Reads a fleet's file. @throws HedgeError (input) that names the file and what is wrong in it */
export function readFleet(file: string): Promise<FleetSpec> {
  return readYaml(file, fleetSchema, "fleet");
}
