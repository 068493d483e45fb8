/** A run for the terminal: what it came to, group by group, and what it cost here. */
import Table from "cli-table3";
import type { FleetResult, RunCost } from "../result.ts";
import { bytes, count, seconds } from "./format.ts";
import { type Measured, measuresOf, rowsOf, shown } from "./measures.ts";

/** More groups than these stand below each other. */
const SIDE_BY_SIDE = 4;

export function summaryText(result: FleetResult, cost: RunCost): string {
  const { name, devices, duration, seed, time, stopped } = result;
  const rows = rowsOf(result);
  const ran = stopped === undefined ? seconds(duration) : `${seconds(stopped)} of ${seconds(duration)}, then stopped,`;
  return [
    `${name}: ${count(devices)} devices, ${ran} in ${time} time, seed ${seed}`,
    rows.length > SIDE_BY_SIDE ? downwards(rows) : sideBySide(rows),
    costText(cost),
  ].join("\n");
}

/** A table without colours: its first column names the rows, numbers stand at the right. */
export function plainTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i === 0 ? "left" : "right")),
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

const sideBySide = (columns: readonly Measured[]): string =>
  plainTable(
    ["", ...columns.map(({ name }) => name)],
    measuresOf(columns).map((measure) => [measure.name, ...columns.map((column) => shown(measure, column))]),
  );

function downwards(rows: readonly Measured[]): string {
  const measures = measuresOf(rows);
  return plainTable(
    ["", ...measures.map(({ name }) => name)],
    rows.map((row) => [row.name, ...measures.map((measure) => shown(measure, row))]),
  );
}

function costText(cost: RunCost): string {
  const { inferences, inferencesPerSecond, rss, images, threads } = cost;
  const on = `${threads} ${threads === 1 ? "thread" : "threads"}`;
  return `${seconds(cost.seconds)} here: ${count(inferences)} inferences, ${count(inferencesPerSecond)} a second on ${on}; ${bytes(rss)} of memory, ${bytes(images)} of it the devices' images`;
}
