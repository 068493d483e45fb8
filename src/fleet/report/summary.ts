/** A run for the terminal: what it came to, group by group, and what it cost here. */
import Table from "cli-table3";
import type { FleetResult, RunCost } from "../result.ts";
import { bytes, count, seconds } from "./format.ts";
import { MEASURES, type Measured, whole } from "./measures.ts";

/** More groups than these stand below each other. */
const SIDE_BY_SIDE = 4;

export function summaryText(result: FleetResult, cost: RunCost): string {
  const { name, devices, duration, seed, time, groups, stopped } = result;
  const rows: Measured[] = groups.length === 1 ? [whole(result)] : [...groups, whole(result)];
  const ran = stopped === undefined ? seconds(duration) : `${seconds(stopped)} of ${seconds(duration)}, then stopped`;
  return [
    `${name}: ${count(devices)} devices, ${ran} in ${time} time, seed ${seed}`,
    groups.length > SIDE_BY_SIDE ? downwards(rows) : sideBySide(rows),
    costText(cost),
  ].join("\n");
}

const style = { head: [], border: [], compact: true };

function sideBySide(columns: readonly Measured[]): string {
  const table = new Table({
    head: ["", ...columns.map(({ name }) => name)],
    style,
    colAligns: ["left", ...columns.map(() => "right" as const)],
  });
  for (const { name, of } of MEASURES) table.push([name, ...columns.map(of)]);
  return table.toString();
}

function downwards(rows: readonly Measured[]): string {
  const table = new Table({
    head: ["", ...MEASURES.map(({ name }) => name)],
    style,
    colAligns: ["left", ...MEASURES.map(() => "right" as const)],
    wordWrap: true,
  });
  for (const row of rows) table.push([row.name, ...MEASURES.map(({ of }) => of(row))]);
  return table.toString();
}

function costText(cost: RunCost): string {
  const { inferences, inferencesPerSecond, rss, threads } = cost;
  return `${seconds(cost.seconds)} here: ${count(inferences)} inferences, ${count(inferencesPerSecond)} a second on ${threads} ${
    threads === 1 ? "thread" : "threads"
  }; ${bytes(rss)} of memory`;
}
