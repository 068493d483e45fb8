import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildCli, runCli } from "../../test/support/built.ts";
import { tinyHybrid } from "../../test/support/tiny-cloud.ts";
import { writeBundle } from "../bundle/write.ts";
import { EXIT_CODES } from "../errors.ts";
import { sum } from "../fleet/report/totals.ts";
import type { FleetResult } from "../fleet/result.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  buildCli();
  folder = await mkdtemp(join(tmpdir(), "hedge-fleet-"));
  await writeBundle(join(folder, "bundle"), await tinyHybrid());
  const records = Array.from({ length: 60 }, (_, i) => [
    i % 3,
    (i * 37) % 256,
    (i * 53) % 256,
    (i * 11) % 256,
    (i * 29) % 256,
  ]);
  await writeFile(join(folder, "images.bin"), Uint8Array.from(records.flat()));
  file = join(folder, "fleet.yaml");
  const made = await runCli(["fleet", "init", file, "--bundle", "bundle", "--data", "images.bin"]);
  expect(made).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("hedge fleet check") });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("hedge fleet", () => {
  it("runs the file that it writes: the same bytes every time, whoever computes", async () => {
    const run = async (threads: string, out: string) => {
      const { code, stderr, stdout } = await runCli([
        "fleet",
        "run",
        file,
        "--threads",
        threads,
        "-o",
        join(folder, out),
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return { stdout, result: await readFile(join(folder, out, "result.json"), "utf8") };
    };
    const [one, two] = [await run("1", "one"), await run("2", "two")];
    expect(two.result).toBe(one.result);
    expect(one.stdout).toMatch(/│ devices +│ +30 │ +20 │ +50 │/);
    const { total, groups, intervals }: FleetResult = JSON.parse(one.result);
    const { arrivals, dropped, exited, cloud, fallback } = total;
    expect(arrivals).toBeGreaterThan(3_000);
    expect(sum(dropped) + exited + cloud + sum(fallback)).toBe(arrivals);
    expect(groups.map(({ tally }) => tally.arrivals).reduce((a, b) => a + b)).toBe(arrivals);
    expect(intervals).toHaveLength(60);
    expect((await readdir(join(folder, "one"))).toSorted()).toEqual(["cost.json", "report.html", "result.json"]);
    expect(await readFile(join(folder, "one/report.html"), "utf8")).toContain("<h1>my-fleet</h1>");
    const compared = await runCli(["fleet", "compare", join(folder, "one"), join(folder, "two/result.json"), "--json"]);
    expect(JSON.parse(compared.stdout)).toMatchObject({ identical: true, only: { a: [], b: [] } });
  });

  it("changes what the command line says", async () => {
    const changes = ["--seed", "9", "--duration", "10m", "--devices", "10", "--engine", "wasm3", "--inference", "once"];
    const { code, stdout } = await runCli(["fleet", "run", file, ...changes, "--json"]);
    expect(code).toBe(0);
    const result: FleetResult = JSON.parse(stdout);
    expect(result).toMatchObject({ seed: 9, duration: 600, devices: 10, inference: "once" });
    expect(result.groups.map(({ devices, engine }) => [devices, engine])).toEqual([
      [6, "wasm3"],
      [4, "wasm3"],
    ]);
  });

  it("says what a run will take", async () => {
    const { code, stdout } = await runCli(["fleet", "check", file, "--duration", "2h", "--json"]);
    expect(code).toBe(0);
    // Thirty devices every 30 s, twenty every 2 min.
    expect(JSON.parse(stdout)).toMatchObject({
      devices: 50,
      samples: 30 * 240 + 20 * 60,
      inferences: 30 * 240 + 20 * 60,
      groups: [
        { name: "porch", samples: 7_200 },
        { name: "garden", samples: 1_200 },
      ],
    });
    const once = await runCli(["fleet", "check", file, "--inference", "once"]);
    // Two thresholds, 60 samples.
    expect(once.stdout).toContain("To run: 120 inferences on v8 for 4,200 samples;");
  });

  it("stops at Ctrl-C with what it measured, and calls that no result", async () => {
    const out = join(folder, "stopped");
    const args = ["fleet", "run", file, "--duration", "3000d", "--inference", "once", "-o", out];
    const child = spawn(process.execPath, [buildCli(), ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    const exited = once(child, "exit");
    const closed = once(child, "close");
    // Its first line of progress says that it is under way.
    await new Promise<void>((resolve) =>
      child.stderr.setEncoding("utf8").on("data", (text) => {
        stderr += text;
        if (/my-fleet: .* of 3,000 d/.test(stderr)) resolve();
      }),
    );
    child.kill("SIGINT");
    expect(await exited).toEqual([EXIT_CODES.check, null]);
    await closed;
    expect(stdout).toMatch(/my-fleet: 50 devices, .* of 3,000 d, then stopped/);
    expect(stderr).toContain("The run was stopped after");
    expect((await readdir(out)).toSorted()).toEqual(["cost.json", "partial.json", "report.html"]);
    const { stopped, total }: FleetResult = JSON.parse(await readFile(join(out, "partial.json"), "utf8"));
    expect(stopped).toBeGreaterThan(0);
    const { arrivals, dropped, exited: sure, cloud, fallback } = total;
    const ended = sum(dropped) + sure + cloud + sum(fallback);
    // Some were under way: of each of the 50 devices one at its module, and a few that waited for it or for the cloud.
    expect(ended).toBeLessThanOrEqual(arrivals);
    expect(ended).toBeGreaterThan(arrivals - 50 * 20);
  });

  it.each<[string, () => string[], number, string]>([
    [
      "a file that is not there",
      () => ["run", join(folder, "none.yaml")],
      EXIT_CODES.input,
      "none.yaml does not exist",
    ],
    ["a file that is there already", () => ["init", file], EXIT_CODES.usage, "fleet.yaml is there already"],
    ["a folder of something else", () => ["run", file, "-o", folder], EXIT_CODES.usage, "not a report's"],
    ["a duration without its unit", () => ["run", file, "--duration", "10"], EXIT_CODES.usage, "it is no duration"],
    ["too few devices", () => ["check", file, "--devices", "1"], EXIT_CODES.usage, "1 devices do not fit"],
    ["real time without a broker", () => ["run", file, "--time", "real"], EXIT_CODES.usage, "needs a broker"],
    ["no result", () => ["compare", file, file], EXIT_CODES.input, "is not JSON"],
  ])("names %s", async (_, args, expected, sentence) => {
    const { code, stderr } = await runCli(["fleet", ...args()]);
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(sentence) });
  });
});
