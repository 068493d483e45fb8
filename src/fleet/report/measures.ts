/** What is said of each group, and of the fleet: the same in the terminal and on the page. */
import type { Energy, FleetResult, Latency, Tally } from "../result.ts";
import { bytes, count, days, joules, milliseconds, percent, smallPercent } from "./format.ts";
import { totals } from "./totals.ts";

/** A group, or all of them. */
export interface Measured {
  readonly name: string;
  readonly devices: number;
  readonly tally: Tally;
  readonly latency: Latency;
  readonly energy?: Energy;
}

interface Measure {
  readonly name: string;
  readonly of: (measured: Measured) => string;
}

const share = (part: number, { arrivals }: Tally) => smallPercent(arrivals === 0 ? undefined : part / arrivals);

export const MEASURES: readonly Measure[] = [
  { name: "devices", of: ({ devices }) => count(devices) },
  { name: "samples", of: ({ tally }) => count(tally.arrivals) },
  { name: "coverage", of: ({ tally }) => percent(totals(tally).coverage) },
  { name: "accuracy", of: ({ tally }) => percent(totals(tally).accuracy) },
  { name: "unconfirmed", of: ({ tally }) => share(totals(tally).unconfirmed, tally) },
  { name: "dropped", of: ({ tally }) => share(totals(tally).dropped, tally) },
  { name: "cloud p50", of: ({ latency }) => milliseconds(latency.cloud?.p50) },
  { name: "cloud p99", of: ({ latency }) => milliseconds(latency.cloud?.p99) },
  { name: "bytes a sample", of: ({ tally }) => bytes(totals(tally).bytesPerSample) },
  { name: "energy a device", of: ({ energy }) => joules(energy && energy.inference + energy.radio + energy.sleep) },
  { name: "battery lasts", of: ({ energy }) => days(energy?.batteryDays?.p50) },
];

/** Energy differs between kinds of devices: their mean would be nobody's. */
export function whole({ devices, total, latency, groups }: FleetResult): Measured {
  const energy = groups.length === 1 ? groups[0]?.energy : undefined;
  return { name: "all", devices, tally: total, latency, energy };
}
