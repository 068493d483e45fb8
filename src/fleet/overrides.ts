/** What the command line changes in a fleet's file. */
import type { EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import { deviceCount, type FleetSpec, MAX_DEVICES } from "./spec.ts";

export interface Overrides {
  readonly seed?: number | undefined;
  /** Milliseconds. */
  readonly duration?: number | undefined;
  /** In all; groups keep their proportions. */
  readonly devices?: number | undefined;
  readonly time?: FleetSpec["time"] | undefined;
  readonly engine?: EngineKind | undefined;
  readonly inference?: FleetSpec["inference"] | undefined;
  readonly broker?: string | undefined;
}

/** What the command line may still say is not asked of the file. @throws HedgeError (usage) when both together make no fleet */
export function withOverrides(spec: FleetSpec, { devices, ...overrides }: Overrides): FleetSpec {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  const changed: FleetSpec = { ...spec, ...Object.fromEntries(given) };
  if (devices !== undefined) changed.groups = scaleGroups(changed, devices);
  if (changed.time === "real" && changed.broker === undefined)
    throw new HedgeError(
      "usage",
      "Real time needs a broker's address.",
      "Give --broker mqtt://HOST:PORT, or `broker` in the file.",
    );
  const firmware = changed.groups.find((group) => group.firmware !== undefined);
  if (changed.time === "virtual" && firmware)
    throw new HedgeError(
      "usage",
      `The group ${firmware.name} is firmware, which runs in real time only.`,
      "Give --time real and a broker, or take the group out of the file.",
    );
  return changed;
}

/** Groups of simulated devices in the same proportions, each with at least one device; firmware stays what it is. */
function scaleGroups({ groups }: FleetSpec, devices: number): FleetSpec["groups"] {
  const scaled = groups.filter(({ firmware }) => firmware === undefined);
  const before = deviceCount({ groups: scaled });
  const fixed = deviceCount({ groups }) - before;
  const room = devices - fixed;
  if (room < scaled.length || devices > MAX_DEVICES)
    throw new HedgeError(
      "usage",
      `${devices} devices do not fit the file's ${groups.length} groups.`,
      `Give at least ${fixed + scaled.length} and at most ${MAX_DEVICES}.`,
    );
  // Bounds between groups are rounded, not counts: so they add up.
  let behind = 0;
  const counts = scaled.map(({ count }) => {
    const from = Math.round((room * behind) / before);
    behind += count;
    return Math.round((room * behind) / before) - from;
  });
  for (const [i, count] of counts.entries()) {
    if (count > 0) continue;
    counts[i] = 1;
    const largest = counts.indexOf(counts.reduce((a, b) => Math.max(a, b)));
    counts[largest]! -= 1;
  }
  return groups.map((group) => (group.firmware ? group : { ...group, count: counts[scaled.indexOf(group)]! }));
}
