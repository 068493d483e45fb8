/** What is said of a run, as data; test/fleet/report.test.ts looks at the page in a browser. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAND_MADE_COST, handMadeResult, tallyOf } from "../../../test/support/fleet-result.ts";
import { HedgeError } from "../../errors.ts";
import type { FleetResult, RunCost } from "../result.ts";
import { compareRuns, comparisonText } from "./compare.ts";
import { distributions } from "./distributions.ts";
import { drawAlone } from "./draw.ts";
import { checkRunFolder, readResult, writeRun } from "./files.ts";
import { bytes, days, milliseconds, seconds, smallPercent } from "./format.ts";
import { overTime } from "./over-time.ts";
import type { BarPlot, Figure, LinePlot } from "./plot.ts";
import { summaryText } from "./summary.ts";
import { totals } from "./totals.ts";

const COST: RunCost = { ...HAND_MADE_COST, threads: 1 };

it("shares are of the samples answered", () => {
  expect(totals(tallyOf(2))).toEqual({
    answered: 188,
    offloaded: 108,
    unconfirmed: 20,
    dropped: 12,
    coverage: 80 / 188,
    accuracy: 164 / 188,
    bytesPerSample: 252_000 / 188,
  });
});

it.each([
  [milliseconds(0), "0 ms"],
  [milliseconds(0.0042), "4.20 µs"],
  [milliseconds(999), "999 ms"],
  [milliseconds(61_000), "1.02 min"],
  [seconds(86_400), "1.00 d"],
  [bytes(1_234_567), "1.23 MB"],
  [bytes(5e15), "5,000 TB"],
  [days(0.25), "6.00 h"],
  [days(731), "2.00 y"],
  [days(undefined), "–"],
  [smallPercent(0.00004), "0.0040 %"],
  [smallPercent(0.5), "50.0 %"],
])("a number for people: %s", (shown, expected) => {
  expect(shown).toBe(expected);
});

const figure = (figures: readonly Figure[], id: string): Figure => figures.find((each) => each.id === id)!;

describe("plots", () => {
  const result = handMadeResult();

  it("over time hold a point in the middle of each interval", () => {
    const latency = figure(overTime(result), "latency-over-time").plot as LinePlot;
    expect(latency.x.title).toBe("time (min)");
    for (const { points } of latency.series) expect(points.map(([at]) => at)).toEqual([15, 45, 75]);
    expect(latency.series.map(({ name, points }) => [name, ...points.map(([, value]) => value)])).toEqual([
      ["median", 1_400, 2_800, 4_200],
      ["90 %", 2_000, 4_000, 6_000],
      ["99 %", 3_000, 6_000, 9_000],
    ]);
    const traffic = figure(overTime(result), "bytes-over-time").plot as LinePlot;
    expect(traffic.series[0]!.points.map(([, pace]) => pace)).toEqual([200, 400, 600]);
  });

  it("leave a gap where nothing was answered", () => {
    const [first, ...rest] = result.intervals;
    const gap = { ...tallyOf(0), arrivals: 7, dropped: { battery: 7, reboot: 0, busy: 0 } };
    const answers = figure(
      overTime({ ...result, intervals: [{ ...first!, tally: gap }, ...rest] }),
      "answers-over-time",
    );
    expect((answers.plot as LinePlot).series[0]!.points[0]).toEqual([15, undefined]);
    expect(answers.table.rows[0]).toEqual(["0 s to 30.0 min", "–", "–"]);
  });

  it("show eight groups, and the table all", () => {
    const groups = Array.from({ length: 12 }, (_, i) => ({ ...result.groups[0]!, name: `g${i}` }));
    const { plot, table, caption } = figure(overTime({ ...result, groups }), "coverage-of-groups");
    expect((plot as LinePlot).series).toHaveLength(8);
    expect(table.head).toHaveLength(13);
    expect(caption).toContain("The first 8 groups");
  });

  it("of distributions rise from nobody to everybody", () => {
    const { series } = figure(distributions(result), "latency-distribution").plot as LinePlot;
    expect(series.map(({ name }) => name)).toEqual(["by the device", "by the cloud"]);
    expect(series[1]!.points[0]).toEqual([1_000, 0]);
    expect(series[1]!.points[50]).toEqual([4_500, 0.5]);
    expect(series[1]!.points.at(-1)).toEqual([8_000, 1]);
  });

  it("add up classes of groups that tell the same ones apart, and no others", () => {
    const same = distributions(result).filter(({ id }) => id.startsWith("classes"));
    expect(same.map(({ id }) => id)).toEqual(["classes"]);
    expect(same[0]!.table.rows[1]).toEqual(["automobile", "303", "44.6 %", "82.2 %"]);
    expect((same[0]!.plot as BarPlot).series[1]!.values[1]).toBe((83 * 3) / 303);
    const [porch, garden] = result.groups;
    const other = { ...garden!, classes: [{ label: "yes", samples: 4, exited: 1, right: 3 }] };
    const apart = distributions({ ...result, groups: [porch!, other] }).filter(({ id }) => id.startsWith("classes"));
    expect(apart.map(({ id, title }) => [id, title])).toEqual([
      ["classes-1", "Classes of porch"],
      ["classes-2", "Classes of garden"],
    ]);
    // The figures added nothing to the result itself.
    expect(result).toEqual(handMadeResult());
  });

  it("of many classes show those that are answered worst", () => {
    const classes = Array.from({ length: 100 }, (_, i) => ({
      label: `c${i}`,
      samples: 100,
      exited: 50,
      right: 100 - i,
    }));
    const { plot, table } = figure(
      distributions({ ...result, groups: [{ ...result.groups[0]!, classes }] }),
      "classes",
    );
    expect((plot as BarPlot).categories.slice(0, 2)).toEqual(["c99 (100)", "c98 (100)"]);
    expect((plot as BarPlot).categories).toHaveLength(40);
    expect(table.rows).toHaveLength(100);
  });

  it("stand alone as files, with a title as text", async () => {
    const svg = await drawAlone("a < b & c", figure(overTime(result), "queue-over-time").plot);
    expect(svg).toMatch(/^<svg [^>]*><title>a &#60; b &#38; c<\/title><style>/);
    expect(svg.match(/stroke="var\(--series-\d\)"/g)!.length).toBeGreaterThanOrEqual(2);
  });
});

describe("the summary", () => {
  it("shows groups side by side, and all of them", () => {
    const text = summaryText(handMadeResult(), COST);
    expect(text).toContain("porch-cameras: 150 devices, 1.50 h in virtual time, seed 7");
    expect(text).toMatch(/│ +│ +porch │ +garden │ +all │/);
    expect(text).toMatch(/│ samples +│ +600 │ +1,200 │ +1,800 │/);
    expect(text).toMatch(/│ energy a device +│ +5\.50 J │ +11\.0 J │ +– │/);
    expect(text).toContain(
      "12.0 s here: 1,800 inferences, 150 a second on 1 thread; 200 MB of memory, 190 MB of it the devices' images",
    );
  });

  it("of one group has one column", () => {
    const result = handMadeResult();
    const text = summaryText({ ...result, groups: result.groups.slice(0, 1) }, COST);
    expect(text).toMatch(/│ devices +│ +50 │\n/);
  });

  it("of many groups has a row for each", () => {
    const result = handMadeResult();
    const groups = Array.from({ length: 5 }, (_, i) => ({ ...result.groups[0]!, name: `g${i}` }));
    const text = summaryText({ ...result, groups, stopped: 60 }, COST);
    expect(text).toMatch(/│ g4 +│ +50 │ +600 │/);
    expect(text).toContain("1.00 min of 1.50 h, then stopped, in virtual time");
  });
});

describe("two runs", () => {
  it("that gave the same are the same", () => {
    const comparison = compareRuns(handMadeResult(), handMadeResult());
    expect(comparison.identical).toBe(true);
    expect(comparisonText(comparison)).toBe("The runs gave the same: every number is equal.");
  });

  it("differ group by group", () => {
    const [a, b] = [handMadeResult(), handMadeResult()];
    b.groups[0]!.tally.exited += 60;
    b.groups[0]!.tally.cloud -= 60;
    b.groups[0]!.tally.arrivals += 60;
    b.groups[1]!.name = "yard";
    const comparison = compareRuns(a, b);
    expect(comparison.only).toEqual({ a: ["garden"], b: ["yard"] });
    const find = (measure: string) => comparison.differences.find((row) => row.measure === measure)!;
    expect(find("samples")).toEqual({ group: "porch", measure: "samples", a: 600, b: 660 });
    const text = comparisonText(comparison);
    expect(text).toMatch(/│ samples +│ +600 │ +660 │ +\+10\.0 % │/);
    expect(text).toMatch(/│ coverage +│ +42\.6 % │ +53\.2 % │ +\+10\.64 points │/);
    expect(text).toMatch(/│ devices +│ +50 │ +50 │ +same │/);
    expect(text).toContain("The group yard is in b only.");
  });
});

describe("a run's files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hedge-run-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("replace an earlier run's, and are read again", async () => {
    const out = join(folder, "out");
    await writeRun(out, { ...handMadeResult(), stopped: 9 }, COST);
    expect((await readdir(out)).toSorted()).toEqual(["cost.json", "partial.json", "report.html"]);
    await writeRun(out, handMadeResult(), COST);
    expect((await readdir(out)).toSorted()).toEqual(["cost.json", "report.html", "result.json"]);
    expect(await readResult(out)).toEqual(handMadeResult());
    expect(await readResult(join(out, "result.json"))).toEqual(handMadeResult());
  });

  it("replace nothing else", async () => {
    await writeFile(join(folder, "letter.txt"), "dear");
    await expect(checkRunFolder(folder)).rejects.toThrow("holds files that are not a report's");
    await expect(writeRun(folder, handMadeResult(), COST)).rejects.toThrow(HedgeError);
    expect(await readdir(folder)).toContain("letter.txt");
  });

  it("do not go where a file is, which is known before the run", async () => {
    const file = join(folder, "a-file");
    await writeFile(file, "dear");
    for (const path of [file, join(file, "run")])
      await expect(checkRunFolder(path)).rejects.toThrow(`cannot be written to ${path} (ENOTDIR)`);
  });

  it.each<[string, string, string]>([
    ["text", "hello", "is not JSON"],
    ["another format", '{"format":"hedge-bundle"}', "is no result of a fleet's run: format: "],
    ["a negative count", JSON.stringify({ ...handMadeResult(), devices: -1 }), "devices: "],
    ["escape codes", JSON.stringify({ ...handMadeResult(), name: "\u001b[2J" }), "name: it holds a control character"],
    ["a later version", JSON.stringify({ ...handMadeResult(), version: 2 } as unknown as FleetResult), "version: "],
  ])("that are none are refused: %s", async (name, content, sentence) => {
    const path = join(folder, `${name.replaceAll(" ", "-")}.json`);
    await writeFile(path, content);
    await expect(readResult(path)).rejects.toThrow(sentence);
  });

  it("that are not there are missed", async () => {
    await expect(readResult(join(folder, "none"))).rejects.toThrow("none does not exist");
  });
});
