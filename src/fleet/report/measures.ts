/** What is said of each group, and of the fleet: the same in the terminal, on the page, and when two runs are compared. */
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

export interface Measure {
  readonly name: string;
  readonly value: (measured: Measured) => number | undefined;
  readonly format: (value: number | undefined) => string;
  /** Of a share, two values differ by percentage points; of anything else by a share of the first. */
  readonly isShare?: boolean;
}

const share = (part: number, { arrivals }: Tally) => (arrivals === 0 ? undefined : part / arrivals);

export const MEASURES: readonly Measure[] = [
  { name: "devices", value: ({ devices }) => devices, format: count },
  { name: "samples", value: ({ tally }) => tally.arrivals, format: count },
  { name: "coverage", value: ({ tally }) => totals(tally).coverage, format: percent, isShare: true },
  { name: "accuracy", value: ({ tally }) => totals(tally).accuracy, format: percent, isShare: true },
  {
    name: "unconfirmed",
    value: ({ tally }) => share(totals(tally).unconfirmed, tally),
    format: smallPercent,
    isShare: true,
  },
  { name: "dropped", value: ({ tally }) => share(totals(tally).dropped, tally), format: smallPercent, isShare: true },
  { name: "cloud p50", value: ({ latency }) => latency.cloud?.p50, format: milliseconds },
  { name: "cloud p99", value: ({ latency }) => latency.cloud?.p99, format: milliseconds },
  { name: "bytes a sample", value: ({ tally }) => totals(tally).bytesPerSample, format: bytes },
  {
    name: "energy a device",
    value: ({ energy }) => energy && energy.inference + energy.radio + energy.sleep,
    format: joules,
  },
  { name: "battery lasts", value: ({ energy }) => energy?.batteryDays?.p50, format: days },
];

/** Those that were measured in any of these rows. */
export const measuresOf = (rows: readonly Measured[]): readonly Measure[] =>
  MEASURES.filter(({ value }) => rows.some((row) => value(row) !== undefined));

export const shown = ({ value, format }: Measure, measured: Measured): string => format(value(measured));

/** Energy differs between kinds of devices: their mean would be nobody's. */
export function whole({ devices, total, latency, groups }: FleetResult): Measured {
  const energy = groups.length === 1 ? groups[0]?.energy : undefined;
  return { name: "all", devices, tally: total, latency, energy };
}

/** Each group, and all of them where there are several. */
export function rowsOf(result: FleetResult): readonly Measured[] {
  return result.groups.length === 1 ? result.groups : [...result.groups, whole(result)];
}
