/** How samples and devices differ from each other: cumulative distributions, classes, reasons, energy. */
import { type ClassRow, type Distribution, DROP_REASONS, FALLBACK_REASONS, type FleetResult } from "../result.ts";
import { count, days, joules, milliseconds, percent, smallPercent } from "./format.ts";
import { spread } from "./over-time.ts";
import type { BarPlot, Figure, LinePlot } from "./plot.ts";

/** Words for people; the schema's names are for programs. */
const REASONS = {
  battery: "battery empty",
  reboot: "starting again",
  busy: "queue full",
  deadline: "too late",
  expired: "expired",
  refused: "refused",
  lost: "restarted",
} as const;

const MOST_GROUPS = 8;
/** Of more classes, those that are answered worst. */
const MOST_CLASSES = 40;
const SHARE = { scale: "linear", of: "shares", domain: [0, 1] } as const;

export function distributions(result: FleetResult): Figure[] {
  const { groups, latency } = result;
  return [
    ...classFigures(result),
    ...cumulative(
      {
        id: "latency-distribution",
        title: "How long answers took",
        caption: "The share of answers that came within a time, from a sample's arrival to its answer.",
      },
      { axis: "ms", of: "of answers", format: milliseconds },
      [
        ["by the device", latency.edge],
        ["by the cloud", latency.cloud],
      ],
    ),
    reasons(result),
    ...energyFigure(result),
    ...cumulative(
      {
        id: "battery-distribution",
        title: "Battery life",
        caption: "The share of devices whose battery, full at first, is empty within a time at the pace of this run.",
      },
      { axis: "days", of: "of devices", format: days },
      groups.slice(0, MOST_GROUPS).map(({ name, energy }) => [name, energy?.batteryDays] as const),
    ),
  ];
}

/** Classes of groups that tell the same ones apart, together; other models get figures of their own. */
function classFigures({ groups }: FleetResult): Figure[] {
  const kinds = new Map<string, { rows: ClassRow[]; of: string[] }>();
  for (const { name, classes } of groups) {
    const key = JSON.stringify(classes.map(({ label }) => label));
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { rows: classes.map((row) => ({ ...row })), of: [name] });
    else {
      kind.of.push(name);
      for (const [i, { samples, exited, right }] of classes.entries()) {
        const row = kind.rows[i]!;
        row.samples += samples;
        row.exited += exited;
        row.right += right;
      }
    }
  }
  return [...kinds.values()]
    .filter(({ rows }) => rows.length > 0)
    .map(({ rows, of }, i, all): Figure => {
      const share = (part: number, { samples }: ClassRow) => (samples === 0 ? undefined : part / samples);
      const shares = rows.map((row) => ({ ...row, coverage: share(row.exited, row), accuracy: share(row.right, row) }));
      const drawn =
        shares.length <= MOST_CLASSES
          ? shares
          : shares.toSorted((a, b) => (a.accuracy ?? 2) - (b.accuracy ?? 2)).slice(0, MOST_CLASSES);
      const cut = drawn === shares ? "" : ` The ${MOST_CLASSES} with the lowest accuracy; the table has all of them.`;
      return {
        id: all.length === 1 ? "classes" : `classes-${i + 1}`,
        title: all.length === 1 ? "Classes" : `Classes of ${of.join(", ")}`,
        caption: `Coverage and accuracy by what a sample really shows, and how many answered samples showed it.${cut}`,
        plot: {
          kind: "bars",
          categories: drawn.map(({ label, samples }) => `${label} (${count(samples)})`),
          y: { title: "% of the class's samples", ...SHARE },
          series: [
            { name: "coverage", values: drawn.map(({ coverage }) => coverage) },
            { name: "accuracy", values: drawn.map(({ accuracy }) => accuracy) },
          ],
        },
        table: {
          head: ["class", "samples", "coverage", "accuracy"],
          rows: shares.map(({ label, samples, coverage, accuracy }) => [
            label,
            count(samples),
            percent(coverage),
            percent(accuracy),
          ]),
        },
      };
    });
}

interface Quantity {
  readonly axis: string;
  readonly of: string;
  readonly format: (value: number | undefined) => string;
}

/** No figure where nothing was measured. */
function cumulative(
  text: Pick<Figure, "id" | "title" | "caption">,
  { axis, of, format }: Quantity,
  lines: readonly (readonly [name: string, distribution: Distribution | undefined])[],
): Figure[] {
  const measured = lines.flatMap(([name, distribution]) => (distribution ? [{ name, distribution }] : []));
  if (measured.length === 0) return [];
  const values = measured.flatMap(({ distribution }) => distribution.quantiles);
  const plot: LinePlot = {
    kind: "lines",
    x: { title: axis, scale: spread(values), of: "numbers" },
    y: { title: of, ...SHARE },
    series: measured.map(({ name, distribution: { quantiles } }) => ({
      name,
      points: quantiles.map((value, i) => [value, i / (quantiles.length - 1)] as const),
    })),
  };
  return [
    {
      ...text,
      plot,
      table: {
        head: ["", of.replace("of ", ""), "least", "10 %", "median", "90 %", "99 %", "most"],
        rows: measured.map(({ name, distribution: { count: number, quantiles, p50, p90, p99, max } }) => [
          name,
          count(number),
          ...[quantiles[0], quantiles[10], p50, p90, p99, max].map(format),
        ]),
      },
    },
  ];
}

function reasons({ total }: FleetResult): Figure {
  const rows = [
    ...DROP_REASONS.map((reason) => ["dropped", reason, total.dropped[reason]] as const),
    ...FALLBACK_REASONS.map((reason) => ["unconfirmed", reason, total.fallback[reason]] as const),
  ];
  return {
    id: "reasons",
    title: "Drops and fallbacks",
    caption:
      "Dropped samples got no answer at all; unconfirmed ones that of the device's exit, because the cloud's did not come.",
    plot: {
      kind: "bars",
      categories: rows.map(([, reason]) => REASONS[reason]),
      y: { title: "samples", scale: "linear", of: "numbers" },
      series: (["dropped", "unconfirmed"] as const).map((name) => ({
        name,
        values: rows.map(([kind, , number]) => (kind === name ? number : 0)),
      })),
      stacked: true,
    },
    table: {
      head: ["reason", "", "samples", "share"],
      rows: rows.map(([kind, reason, number]) => [
        REASONS[reason],
        kind,
        count(number),
        smallPercent(total.arrivals === 0 ? undefined : number / total.arrivals),
      ]),
    },
  };
}

function energyFigure({ groups }: FleetResult): Figure[] {
  const measured = groups.flatMap(({ name, energy }) => (energy ? [{ name, energy }] : []));
  if (measured.length === 0) return [];
  const uses = ["inference", "radio", "sleep"] as const;
  const plot: BarPlot = {
    kind: "bars",
    categories: measured.map(({ name }) => name),
    y: { title: "joules per device", scale: "linear", of: "numbers" },
    series: uses.map((use) => ({ name: use, values: measured.map(({ energy }) => energy[use]) })),
    stacked: true,
  };
  return [
    {
      id: "energy",
      title: "Energy of a device",
      caption: "Over the whole run, the mean of each group's devices, by what used it.",
      plot,
      table: {
        head: ["group", ...uses, "median device", "99 %", "batteries empty"],
        rows: measured.map(({ name, energy }) => [
          name,
          ...uses.map((use) => joules(energy[use])),
          joules(energy.total?.p50),
          joules(energy.total?.p99),
          count(energy.empty),
        ]),
      },
    },
  ];
}
