/** Two runs beside each other. */
import type { FleetResult } from "../result.ts";
import { count, NOTHING } from "./format.ts";
import { MEASURES, type Measure, type Measured, rowsOf } from "./measures.ts";
import { plainTable } from "./summary.ts";

/** One measure of one group, or of all. */
export interface Difference {
  readonly group: string;
  readonly measure: string;
  readonly a: number | undefined;
  readonly b: number | undefined;
}

export interface Comparison {
  /** Whether the runs gave the same, every number. */
  readonly identical: boolean;
  /** Groups that only one of the runs has; by run. */
  readonly only: { readonly a: readonly string[]; readonly b: readonly string[] };
  readonly differences: readonly Difference[];
}

/** Groups are the same when they bear the same name. */
export function compareRuns(a: FleetResult, b: FleetResult): Comparison {
  const [rowsA, rowsB] = [rowsOf(a), rowsOf(b)];
  const names = ({ groups }: FleetResult) => groups.map(({ name }) => name);
  const pairs = rowsA.flatMap((row) => {
    const other = rowsB.find(({ name }) => name === row.name);
    return other ? [{ a: row, b: other }] : [];
  });
  return {
    identical: JSON.stringify(a) === JSON.stringify(b),
    only: {
      a: names(a).filter((name) => !names(b).includes(name)),
      b: names(b).filter((name) => !names(a).includes(name)),
    },
    differences: pairs.flatMap((pair) => MEASURES.map((measure) => difference(measure, pair))),
  };
}

function difference({ name, value }: Measure, { a, b }: { a: Measured; b: Measured }): Difference {
  return { group: a.name, measure: name, a: value(a), b: value(b) };
}

export function comparisonText({ identical, only, differences }: Comparison): string {
  if (identical) return "The runs gave the same: every number is equal.";
  const groups = [...new Set(differences.map(({ group }) => group))];
  const table = (group: string) =>
    plainTable(
      [group, "a", "b", "change"],
      differences
        .filter((row) => row.group === group && (row.a ?? row.b) !== undefined)
        .map((row) => {
          const measure = MEASURES.find(({ name }) => name === row.measure)!;
          return [row.measure, measure.format(row.a), measure.format(row.b), change(measure, row)];
        }),
    );
  const missing = (["a", "b"] as const).flatMap((run) =>
    only[run].map((name) => `The group ${name} is in ${run} only.`),
  );
  return [...groups.map(table), ...missing].join("\n");
}

function change({ isShare }: Measure, { a, b }: Difference): string {
  if (a === undefined || b === undefined) return NOTHING;
  if (a === b) return "same";
  const sign = b > a ? "+" : "−";
  const size = Math.abs(b - a);
  if (isShare) return `${sign}${(100 * size).toFixed(2)} points`;
  return a === 0 ? `${sign}${count(size)}` : `${sign}${((100 * size) / a).toFixed(1)} %`;
}
