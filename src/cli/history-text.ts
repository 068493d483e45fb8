/** A history's rows and figures, for people. */
import type { Row } from "../history/database.ts";
import type { Pruned } from "../history/retention.ts";
import type { Summary } from "../history/show.ts";
import { printable } from "./output.ts";

export function prunedText(pruned: Pruned): string {
  const parts = Object.entries(pruned).map(([table, rows]) => `${rows} ${table.replace("_", " ")}`);
  return parts.length > 0 ? `deleted ${parts.join(", ")}` : "nothing to delete";
}

export function tableText(rows: readonly Row[], create: (head: string[]) => { push(row: string[]): unknown }): string {
  const [first] = rows;
  if (first === undefined) return "no rows";
  const columns = Object.keys(first);
  const table = create(columns);
  for (const row of rows) table.push(columns.map((column) => cell(row[column])));
  return String(table);
}

const DIGEST = /^[0-9a-f]{64}$/;

function cell(value: unknown): string {
  if (value === null) return "";
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "number") return String(Math.round(value * 1e4) / 1e4);
  const text = printable(String(value));
  return DIGEST.test(text) ? text.slice(0, 12) : text;
}

export function summaryText(s: Summary): string {
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ") || "none";
  const ms = s.ms.p50 === null ? "" : `; p50 ${cell(s.ms.p50)} ms, p99 ${cell(s.ms.p99)} ms`;
  const differing = s.differing > 0 ? `, ${s.differing} samples with answers that differ` : "";
  const rows = [
    ["samples", `${s.samples} in ${s.offers} offers, ${s.unanswered} without a result`],
    ["results", `${counts(s.results)}${ms}; ${s.corrected} corrected the exit`],
    ["repeats", `${s.repeats}${differing}`],
    [
      "exits",
      s.coverage === null ? counts(s.exits) : `${counts(s.exits)}; coverage ${(100 * s.coverage).toFixed(1)} %`,
    ],
    ["dead", counts(s.dead)],
    ["seen", `${s.devices} devices, ${s.workers} workers, ${s.models} models`],
    ["newest", s.newest === null ? "no sample" : s.newest.toISOString()],
  ] as const;
  return rows.map(([name, text]) => `${name.padEnd(9)}${text}`).join("\n");
}
