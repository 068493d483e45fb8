/** The report as a browser shows it: Debian's Chromium, from a file, as people open it. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRun } from "../../src/fleet/report/files.ts";
import type { FleetResult } from "../../src/fleet/result.ts";
import { findProgram } from "../support/find-program.ts";
import { HAND_MADE_COST, handMadeResult } from "../support/fleet-result.ts";

let folder: string;
let browser: Browser;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-report-"));
  browser = await chromium.launch({ executablePath: findProgram("chromium"), args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Look {
  readonly page: Page;
  /** What the page asked for, itself left out, and what it complained of. */
  readonly requests: string[];
  readonly complaints: string[];
}

async function open(name: string, result: FleetResult, view: Parameters<Browser["newPage"]>[0] = {}): Promise<Look> {
  await writeRun(join(folder, name), result, HAND_MADE_COST);
  const page = await browser.newPage(view);
  const url = pathToFileURL(join(folder, name, "report.html")).href;
  const look: Look = { page, requests: [], complaints: [] };
  page.on("request", (request) => request.url() !== url && look.requests.push(request.url()));
  page.on("console", (message) => look.complaints.push(message.text()));
  page.on("pageerror", (error) => look.complaints.push(error.message));
  await page.goto(url);
  return look;
}

/** The text of a table's cells, row by row. */
const cells = (page: Page, selector: string): Promise<string[][]> =>
  page.$eval(selector, (table) =>
    [...(table as HTMLTableElement).rows].map((row) => [...row.cells].map((cell) => cell.textContent ?? "")),
  );

describe("a report", () => {
  it("needs no network, and complains of nothing", async () => {
    const { page, requests, complaints } = await open("plain", handMadeResult());
    expect(await page.title()).toBe("porch-cameras: a fleet's run");
    expect(await page.$$eval("figure svg", (pictures) => pictures.length)).toBe(13);
    expect(await page.$$eval("script", (scripts) => scripts.length)).toBe(0);
    expect([requests, complaints]).toEqual([[], []]);
    await page.close();
  });

  it("says the numbers of result.json", async () => {
    const { page } = await open("numbers", handMadeResult());
    const result: FleetResult = JSON.parse(await readFile(join(folder, "numbers/result.json"), "utf8"));
    const { total } = result;
    const answered = total.exited + total.cloud + 180;
    expect(await page.$$eval(".headline strong", (values) => values.map((value) => value.textContent))).toEqual([
      "1,800",
      `${((100 * total.exited) / answered).toFixed(1)} %`,
      `${((100 * (total.right.exited + total.right.cloud + total.right.fallback)) / answered).toFixed(1)} %`,
      "4.50 s",
      "180",
      "108",
      `${((total.bytesUp + total.bytesDown) / answered / 1e3).toFixed(2)} kB`,
      "1.51 y",
    ]);
    const groups = await cells(page, "section[aria-labelledby=groups] table");
    expect(groups.map(([name, devices, samples]) => [name, devices, samples])).toEqual([
      ["group", "devices", "samples"],
      ["porch", "50", "600"],
      ["garden", "100", "1,200"],
      ["all", "150", "1,800"],
    ]);
    const queue = await cells(page, "#queue-over-time table");
    expect(queue.slice(1)).toEqual(
      result.intervals.map(({ queue: { mean, max } }, i) => [
        ["0 s to 30.0 min", "30.0 min to 1.00 h", "1.00 h to 1.50 h"][i],
        mean.toFixed(1),
        String(max),
      ]),
    );
    const classes = await cells(page, "#classes table");
    expect(classes[1]).toEqual(["airplane", "300", "40.0 %", "80.0 %"]);
    const reasons = await cells(page, "#reasons table");
    expect(reasons.slice(1).map(([, kind, samples]) => `${kind} ${samples}`)).toEqual([
      "dropped 18",
      "dropped 36",
      "dropped 54",
      "unconfirmed 72",
      "unconfirmed 54",
      "unconfirmed 36",
      "unconfirmed 18",
    ]);
    await page.close();
  });

  it("fits a phone, without scrolling sideways", async () => {
    const { page } = await open("phone", handMadeResult(), { viewport: { width: 360, height: 740 } });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    const picture = await page.locator("#answers-over-time svg").boundingBox();
    expect(picture!.width).toBeGreaterThan(250);
    await page.close();
  });

  it("is dark for people who like it dark, plots included", async () => {
    const colours = async (colorScheme: "light" | "dark") => {
      const { page } = await open(colorScheme, handMadeResult(), { colorScheme });
      const found = await page.evaluate(() => {
        const line = document.querySelector("#answers-over-time path[stroke^='var(--series']")!;
        return [getComputedStyle(document.body).backgroundColor, getComputedStyle(line).stroke];
      });
      await page.close();
      return found;
    };
    expect(await colours("light")).toEqual(["rgb(255, 255, 255)", "rgb(0, 103, 168)"]);
    expect(await colours("dark")).toEqual(["rgb(20, 23, 27)", "rgb(90, 180, 240)"]);
  });

  it("can be told without seeing it: each plot has a name, and its numbers in a table", async () => {
    const { page } = await open("told", handMadeResult());
    const figures = await page.$$eval("figure", (all) =>
      all.map((figure) => ({
        name: figure.querySelector("[role=img]")?.getAttribute("aria-label") ?? "",
        rows: figure.querySelectorAll("details tbody tr").length,
        heads: figure.querySelectorAll("details th[scope=row]").length,
      })),
    );
    for (const { name, rows, heads } of figures) {
      expect(name).not.toBe("");
      expect(rows).toBeGreaterThan(0);
      expect(heads).toBe(rows);
    }
    await page.close();
  });

  it("takes names for text, whatever they look like", async () => {
    const odd = `<img src=x onerror=alert(1)>&"'</title><script>alert(2)</script>`;
    const result = handMadeResult();
    result.name = odd;
    for (const group of result.groups) {
      group.model.name = odd;
      group.name = `${odd}${group.devices}`;
      for (const row of group.classes) row.label = odd;
    }
    const { page, requests, complaints } = await open("odd", result);
    expect(await page.textContent("h1")).toBe(odd);
    expect(await page.$$eval("img, script", (elements) => elements.length)).toBe(0);
    expect((await cells(page, "#classes table"))[1]![0]).toBe(odd);
    expect([requests, complaints]).toEqual([[], []]);
    await page.close();
  });

  it("says that a run was stopped, and claims no whole result", async () => {
    const { page } = await open("stopped", { ...handMadeResult(), stopped: 1_800 });
    expect(await page.textContent("[role=note]")).toContain("Stopped after 30.0 min of 1.50 h");
    await expect(readFile(join(folder, "stopped/result.json"))).rejects.toThrow("ENOENT");
    expect(JSON.parse(await readFile(join(folder, "stopped/partial.json"), "utf8")).stopped).toBe(1_800);
    await page.close();
  });

  it("shows what there is where nothing was measured", async () => {
    const result = handMadeResult();
    const none = { arrivals: 0, dropped: { battery: 0, reboot: 0, busy: 0 }, exited: 0, cloud: 0 };
    const empty = {
      ...none,
      fallback: { deadline: 0, expired: 0, refused: 0, lost: 0 },
      right: { exited: 0, cloud: 0, fallback: 0 },
      frames: 0,
      bytesUp: 0,
      bytesDown: 0,
    };
    const [group] = result.groups;
    result.total = empty;
    result.latency = {};
    result.intervals = result.intervals.map((interval) => ({ ...interval, tally: empty, latency: undefined }));
    result.groups = [
      { ...group!, tally: empty, intervals: [empty, empty, empty], latency: {}, energy: undefined, classes: [] },
    ];
    const { page, complaints } = await open("empty", result);
    const values = await page.$$eval(".headline strong", (all) => all.map((value) => value.textContent));
    expect(values).toEqual(["0", "–", "–", "–", "0", "0", "–"]);
    expect(await page.$$eval("figure", (all) => all.map(({ id }) => id))).toEqual([
      "answers-over-time",
      "samples-over-time",
      "latency-over-time",
      "queue-over-time",
      "bytes-over-time",
      "devices-over-time",
      "reasons",
    ]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
