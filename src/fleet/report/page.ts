/**
 * A run as one HTML file: no scripts, nothing fetched. Names come from files that anybody may have written, so all text is escaped, and
 * the page's own policy forbids scripts and requests.
 */
import type { FleetResult, RunCost } from "../result.ts";
import { distributions } from "./distributions.ts";
import { drawPlot, escapeText } from "./draw.ts";
import { bytes, count, days, milliseconds, percent, seconds, smallPercent } from "./format.ts";
import { measuresOf, rowsOf, shown } from "./measures.ts";
import { overTime } from "./over-time.ts";
import type { Figure, PlotTable } from "./plot.ts";
import { STYLE } from "./style.ts";
import { totals } from "./totals.ts";

/** Of a digest, what tells models apart for people. */
const DIGEST_DIGITS = 16;

export async function reportPage(result: FleetResult, cost: RunCost): Promise<string> {
  const name = escapeText(result.name);
  const drawn = async (figures: readonly Figure[]) => (await Promise.all(figures.map(figureHtml))).join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${name}: a fleet's run</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${name}</h1>
<p>${escapeText(setting(result))}</p>
${result.stopped === undefined ? "" : `<p class="warning" role="note">Stopped after ${seconds(result.stopped)} of ${seconds(result.duration)}: what follows is of that part.</p>`}
</header>
<main>
<section aria-label="In short">
<dl class="headline">
${headline(result)
  .map(({ what, value, of }) => `<div><dt>${what}</dt><dd><strong>${value}</strong><span>${of}</span></dd></div>`)
  .join("\n")}
</dl>
</section>
<section aria-labelledby="groups">
<h2 id="groups">Groups</h2>
${tableHtml(groupTable(result))}
</section>
<section aria-labelledby="time">
<h2 id="time">Over time</h2>
<div class="figures">
${await drawn(overTime(result))}
</div>
</section>
<section aria-labelledby="differences">
<h2 id="differences">Classes, times, energy</h2>
<div class="figures">
${await drawn(distributions(result))}
</div>
</section>
<section aria-labelledby="run">
<h2 id="run">What was run</h2>
${tableHtml(runTable(result, cost))}
</section>
</main>
</body>
</html>
`;
}

function setting({ devices, duration, time, seed, groups }: FleetResult): string {
  const models = new Set(groups.map(({ model }) => model.name));
  return `${count(devices)} devices with ${[...models].join(", ")}: ${seconds(duration)} in ${time} time, seed ${seed}.`;
}

interface Headline {
  readonly what: string;
  readonly value: string;
  readonly of: string;
}

function headline(result: FleetResult): Headline[] {
  const { total, devices, latency, groups } = result;
  const { answered, coverage, accuracy, unconfirmed, dropped, bytesPerSample } = totals(total);
  const share = (part: number) => smallPercent(total.arrivals === 0 ? undefined : part / total.arrivals);
  const lives = groups.flatMap(({ energy }) => (energy?.batteryDays ? [energy.batteryDays.p50] : []));
  return [
    { what: "Samples", value: count(total.arrivals), of: `on ${count(devices)} devices` },
    { what: "Coverage", value: percent(coverage), of: "answered on the device" },
    { what: "Accuracy", value: percent(accuracy), of: `of ${count(answered)} answers are right` },
    {
      what: "Cloud answers",
      value: milliseconds(latency.cloud?.p50),
      of: `median; 99 % in ${milliseconds(latency.cloud?.p99)}`,
    },
    { what: "Unconfirmed", value: count(unconfirmed), of: `${share(unconfirmed)} of the samples` },
    { what: "Dropped", value: count(dropped), of: `${share(dropped)} of the samples` },
    { what: "Traffic", value: bytes(bytesPerSample), of: `a sample; ${bytes(total.bytesUp + total.bytesDown)} in all` },
    ...(lives.length === 0
      ? []
      : [
          {
            what: "Battery",
            value: days(lives.reduce((a, b) => Math.min(a, b))),
            of: lives.length > 1 ? "median of the group that lasts least" : "median of the devices",
          },
        ]),
  ];
}

function groupTable(result: FleetResult): PlotTable {
  const rows = rowsOf(result);
  const measures = measuresOf(rows);
  return {
    head: ["group", ...measures.map(({ name }) => name)],
    rows: rows.map((row) => [row.name, ...measures.map((measure) => shown(measure, row))]),
  };
}

function runTable(
  { program, spec, seed, time, inference, groups, cloud, total }: FleetResult,
  cost: RunCost,
): PlotTable {
  return {
    head: ["", ""],
    rows: [
      ["program", program],
      ["file", `SHA-256 ${spec}`],
      ["seed", String(seed)],
      ["time", time],
      ["samples run on an engine", inference === "each" ? "each on its own device" : "once for devices that share it"],
      ...groups.map(({ name, engine, model, threshold, reboots }) => [
        name,
        `${model.name} (${model.digest.slice(0, DIGEST_DIGITS)}) on ${engine}, exit below ${threshold} nats; ${count(reboots)} restarts`,
      ]),
      // In real time workers say themselves what they do: hedge worker status.
      ...(time === "real"
        ? []
        : [
            [
              "workers",
              `${count(cloud.samples)} samples in ${count(cloud.batches)} batches, busy for ${percent(cloud.busy)} of the time; a sample waited ${milliseconds(cloud.wait?.mean)} (99 %: ${milliseconds(cloud.wait?.p99)})`,
            ],
          ]),
      ["frames", `${count(total.frames)} for ${count(totals(total).offloaded)} offloaded samples`],
      [
        "cost of this run",
        `${seconds(cost.seconds)} on ${cost.threads} threads, ${count(cost.inferences)} inferences, ${count(cost.devicesPerSecond)} devices a second, ${bytes(cost.rss)} of memory, ${bytes(cost.images)} of it the devices' images`,
      ],
    ],
  };
}

async function figureHtml({ id, title, caption, plot, table }: Figure): Promise<string> {
  const heading = escapeText(title);
  return `<figure id="${id}">
<figcaption><h3>${heading}</h3><p>${escapeText(caption)}</p></figcaption>
<div class="plot" role="img" aria-label="${heading}">${await drawPlot(plot)}</div>
<details><summary>Table</summary>${tableHtml(table)}</details>
</figure>`;
}

/** The first cell of a row names it. A table without names in its head has no head. */
function tableHtml({ head, rows }: PlotTable): string {
  const named = head.some((name) => name !== "");
  const start = named
    ? `<thead><tr>${head.map((name) => (name === "" ? "<td></td>" : `<th scope="col">${escapeText(name)}</th>`)).join("")}</tr></thead>`
    : "";
  const body = rows.map(
    ([name = "", ...cells]) =>
      `<tr><th scope="row">${escapeText(name)}</th>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join("")}</tr>`,
  );
  return `<div class="scroll" tabindex="0"><table${named ? "" : ' class="facts"'}>${start}<tbody>\n${body.join("\n")}\n</tbody></table></div>`;
}
