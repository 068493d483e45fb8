/** What changed while the fleet ran: one point for each interval, in its middle. */
import type { FleetResult, GroupResult, Tally } from "../result.ts";
import { bytes, count, milliseconds, percent, seconds } from "./format.ts";
import type { Axis, Figure, LinePlot, Series } from "./plot.ts";
import { totals } from "./totals.ts";

/** Groups beyond these are in the tables only: more lines say nothing. */
const MOST_LINES = 8;

const UNITS = [
  ["s", 1],
  ["min", 60],
  ["h", 3_600],
  ["d", 86_400],
] as const;

const SHARE: Axis = { title: "% of samples", scale: "linear", of: "shares", domain: [0, 1] };

/** One column of a table and one line of a plot. */
interface Line {
  readonly name: string;
  /** By interval. */
  readonly values: readonly (number | undefined)[];
  readonly format: (value: number | undefined) => string;
}

export function overTime(result: FleetResult): Figure[] {
  const { intervals, groups, time } = result;
  const [unit, worth] = UNITS.findLast(([, worth]) => result.duration >= 2 * worth) ?? UNITS[0];
  const x: Axis = { title: `time (${unit})`, scale: "linear", of: "numbers", domain: [0, result.duration / worth] };
  const series = ({ name, values }: Line): Series => ({
    name,
    points: values.map((value, i) => [(intervals[i]!.from + intervals[i]!.to) / 2 / worth, value] as const),
  });
  const figure = (text: Omit<Figure, "plot" | "table">, y: Axis, lines: readonly Line[], stacked = false): Figure => ({
    ...text,
    plot: { kind: "lines", x, y, series: lines.slice(0, MOST_LINES).map(series), stacked } satisfies LinePlot,
    table: {
      head: ["time", ...lines.map(({ name }) => name)],
      rows: intervals.map(({ from, to }, i) => [
        `${seconds(from)} to ${seconds(to)}`,
        ...lines.map(({ values, format }) => format(values[i])),
      ]),
    },
  });

  const of = (
    name: string,
    value: (interval: FleetResult["intervals"][number]) => number | undefined,
    format: Line["format"],
  ): Line => ({
    name,
    values: intervals.map(value),
    format,
  });
  const share = (name: string, value: (tally: Tally) => number | undefined) =>
    of(name, ({ tally }) => value(tally), percent);
  const byGroup = (value: (tally: Tally) => number | undefined) =>
    groups.map(
      (group: GroupResult): Line => ({ name: group.name, values: group.intervals.map(value), format: percent }),
    );
  const several = groups.length > 1;
  const cut = groups.length > MOST_LINES ? ` The first ${MOST_LINES} groups; the table has all of them.` : "";
  const pace = (amount: number, { from, to }: { from: number; to: number }) => (to > from ? amount / (to - from) : 0);
  const latencies = intervals.flatMap(({ latency }) => (latency ? [latency.p50, latency.p99] : []));

  return [
    figure(
      {
        id: "answers-over-time",
        title: "Coverage and accuracy over time",
        caption:
          "Coverage: answered on the device. Accuracy: right answers, whoever gave them. Both of the samples answered.",
      },
      SHARE,
      [share("coverage", (tally) => totals(tally).coverage), share("accuracy", (tally) => totals(tally).accuracy)],
    ),
    ...(several
      ? [
          figure(
            { id: "coverage-of-groups", title: "Coverage of each group", caption: `Answered on the device.${cut}` },
            SHARE,
            byGroup((tally) => totals(tally).coverage),
          ),
          figure(
            {
              id: "accuracy-of-groups",
              title: "Accuracy of each group",
              caption: `Right answers, whoever gave them.${cut}`,
            },
            SHARE,
            byGroup((tally) => totals(tally).accuracy),
          ),
        ]
      : []),
    figure(
      {
        id: "samples-over-time",
        title: "What became of samples",
        caption: "Unconfirmed: sent to the cloud, and answered by the device's exit in the end.",
      },
      { title: "samples", scale: "linear", of: "numbers" },
      [
        of("device", ({ tally }) => tally.exited, count),
        of("cloud", ({ tally }) => tally.cloud, count),
        of("unconfirmed", ({ tally }) => totals(tally).unconfirmed, count),
        of("dropped", ({ tally }) => totals(tally).dropped, count),
      ],
      true,
    ),
    figure(
      {
        id: "latency-over-time",
        title: "Latency of offloaded samples",
        caption: "From a sample's arrival at its device to the cloud's answer there.",
      },
      { title: "ms", scale: spread(latencies), of: "numbers" },
      [
        of("median", ({ latency }) => latency?.p50, milliseconds),
        of("90 %", ({ latency }) => latency?.p90, milliseconds),
        of("99 %", ({ latency }) => latency?.p99, milliseconds),
      ],
    ),
    figure(
      {
        id: "queue-over-time",
        title: "Queue depth",
        caption:
          time === "virtual"
            ? "Samples at the broker that waited for a worker."
            : "Samples that waited for the cloud's answer.",
      },
      { title: "samples", scale: "linear", of: "numbers" },
      [
        of(
          "mean",
          ({ queue }) => queue.mean,
          (mean) => (mean ?? 0).toFixed(1),
        ),
        of("largest", ({ queue }) => queue.max, count),
      ],
    ),
    figure(
      {
        id: "bytes-over-time",
        title: "Traffic",
        caption: "Bytes per second, all devices together; frames that were sent again and MQTT's own bytes are in it.",
      },
      { title: "bytes per second", scale: "linear", of: "numbers" },
      [
        of("from devices", (interval) => pace(interval.tally.bytesUp, interval), bytes),
        of("to devices", (interval) => pace(interval.tally.bytesDown, interval), bytes),
      ],
    ),
    figure(
      {
        id: "devices-over-time",
        title: "Devices that were up",
        caption: "At the end of each interval: not starting again, and with a battery that is not empty.",
      },
      { title: "devices", scale: "linear", of: "numbers" },
      [of("up", ({ up }) => up, count)],
    ),
  ];
}

/** The scale on which these values can be told apart. */
export function spread(values: readonly number[]): "linear" | "log" {
  const above = values.filter((value) => value > 0);
  const [least, most] = [above.reduce((a, b) => Math.min(a, b), Infinity), above.reduce((a, b) => Math.max(a, b), 0)];
  return most > 30 * least ? "log" : "linear";
}
