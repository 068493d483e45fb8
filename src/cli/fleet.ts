/** `hedge fleet`: many devices at once, simulated or real. */
import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ENGINE_KINDS, type EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import { writeNamed } from "../files.ts";
import { fleetTemplate, type TemplatePaths } from "../fleet/template.ts";
import { someDuration } from "../units.ts";
import { addTlsOptions, type BrokerOptions, brokerAccess } from "./broker-options.ts";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";
import { withProgress } from "./progress.ts";
import { untilStopped } from "./signals.ts";

const TIMES = ["virtual", "real"] as const;
const INFERENCES = ["each", "once"] as const;
const MAX_DEVICES = 1_000_000;

/** What the command line may change in the file. */
interface FleetOptions {
  readonly seed?: number;
  readonly duration?: number;
  readonly devices?: number;
  readonly time?: (typeof TIMES)[number];
  readonly engine?: EngineKind;
  readonly inference?: (typeof INFERENCES)[number];
  readonly threads?: number;
  readonly broker?: string;
}

interface RunOptions extends FleetOptions, Omit<BrokerOptions, "broker"> {
  readonly out?: string;
}

export function register(program: Command): void {
  const fleet = program
    .command("fleet")
    .summary("simulate fleets of devices")
    .description(
      "Runs many devices at once: each with the real module, its own samples, link, battery and clock. In virtual time everything is " +
        "simulated, and the same file gives the same result; in real time devices talk to a broker. docs/fleet.md describes the file.",
    );
  registerRun(fleet);
  registerCheck(fleet);
  registerInit(fleet);
  registerCompare(fleet);
}

function registerRun(fleet: Command): void {
  const run = fleet
    .command("run")
    .summary("run a fleet")
    .description(
      "Runs the fleet that a file describes and ends with a table: what became of the samples, how right and how late answers were, " +
        "and what it cost in bytes and energy. With -o also as files: result.json, cost.json, and report.html with plots. " +
        "Ctrl-C ends the run early; what was measured until then is shown, and the exit code is 5.",
    );
  addTlsOptions(addChanges(run))
    .option("-o, --out <folder>", "write result.json, cost.json and report.html there")
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  hedge fleet run models/fleets/small.yaml -o out/small\n" +
        "  hedge fleet run fleet.yaml --devices 10000 --duration 1d --seed 2 --json",
    )
    .action(async (file: string, options: RunOptions, command: Command) => {
      const globals = globalOptions(command);
      const spec = await readSpec(file, options);
      const [{ runFleet }, { checkRunFolder, writeRun }, { RunProgress }, { summaryText }, { seconds }] =
        await Promise.all([
          import("../fleet/run.ts"),
          import("../fleet/report/files.ts"),
          import("../fleet/report/progress.ts"),
          import("../fleet/report/summary.ts"),
          import("../fleet/report/format.ts"),
        ]);
      if (options.out !== undefined) await checkRunFolder(options.out);
      const stop = new AbortController();
      untilStopped().then(() => stop.abort());
      const { result, cost } = await withProgress(globals, (progress) => {
        const text = new RunProgress(spec);
        return runFleet(spec, {
          folder: dirname(file),
          threads: options.threads,
          tls: brokerAccess({ ...options, broker: spec.broker ?? "" }).tls,
          signal: stop.signal,
          report: (state) => progress.update(text.of(state)),
        });
      });
      if (options.out !== undefined) await writeRun(options.out, result, cost);
      printResult(globals, result, () => summaryText(result, cost));
      if (result.stopped !== undefined) {
        throw new HedgeError(
          "check",
          `The run was stopped after ${seconds(result.stopped)} of ${seconds(result.duration)}.`,
          "What was measured until then is above; run it again for all of it.",
        );
      }
    });
}

function registerCheck(fleet: Command): void {
  addChanges(
    fleet
      .command("check")
      .summary("check a fleet's file, and say what its run will take")
      .description(
        "Reads the file and everything that it names, and estimates samples, inferences, seconds and memory of a run on this machine, " +
          "by running a few samples.",
      ),
  )
    .addHelpText("after", "\nExample:\n  hedge fleet check models/fleets/day.yaml --devices 1000")
    .action(async (file: string, options: FleetOptions, command: Command) => {
      const spec = await readSpec(file, options);
      const [{ loadFleet }, { estimateRun }, { estimateText }] = await Promise.all([
        import("../fleet/load.ts"),
        import("../fleet/estimate.ts"),
        import("../fleet/report/estimate-text.ts"),
      ]);
      const globals = globalOptions(command);
      const estimate = await withProgress(globals, async (progress) => {
        progress.update(`reading what ${file} names`);
        return estimateRun(await loadFleet(spec, dirname(file)), options.threads);
      });
      printResult(globals, estimate, () => estimateText(spec, estimate));
    });
}

function registerInit(fleet: Command): void {
  fleet
    .command("init")
    .summary("write a fleet's file to start from")
    .description("Writes a small fleet with a word on each of its parts. A file that is there is not touched.")
    .argument("[file]", "the file to write", "fleet.yaml")
    .option("--bundle <folder>", "the devices' bundle, relative to the file", "out/resnet20-12e6c-2bit")
    .option("--data <path>", "labelled samples, relative to the file", "models/cifar10-test-500")
    .addHelpText("after", "\nExample:\n  hedge fleet init fleet.yaml --bundle out/ && hedge fleet run fleet.yaml")
    .action(async (file: string, paths: TemplatePaths, command: Command) => {
      const isThere = await access(file).then(
        () => true,
        () => false,
      );
      if (isThere) throw new HedgeError("usage", `${file} is there already.`, "Name a file that is not.");
      await writeNamed(file, fleetTemplate(paths));
      printResult(globalOptions(command), { file }, () => `${file} is written. Try: hedge fleet check ${file}`);
    });
}

function registerCompare(fleet: Command): void {
  fleet
    .command("compare")
    .summary("show two runs beside each other")
    .description("Compares the results of two runs, group by group. Groups are the same when they bear the same name.")
    .argument("<a>", "a result.json, or the folder of a run")
    .argument("<b>", "another")
    .addHelpText("after", "\nExample:\n  hedge fleet compare out/before out/after")
    .action(async (a: string, b: string, _: unknown, command: Command) => {
      const [{ readResult }, { compareRuns, comparisonText }] = await Promise.all([
        import("../fleet/report/files.ts"),
        import("../fleet/report/compare.ts"),
      ]);
      const comparison = compareRuns(await readResult(a), await readResult(b));
      printResult(globalOptions(command), comparison, () => comparisonText(comparison));
    });
}

function addChanges(command: Command): Command {
  return command
    .argument("<file>", "a fleet's file (YAML)")
    .option("--seed <number>", "instead of the file's", integer(0, 0xffffffff))
    .option("--duration <time>", "such as 10m, instead of the file's", duration)
    .option("--devices <count>", "so many in all; groups keep their proportions", integer(1, MAX_DEVICES))
    .addOption(new Option("--time <time>", "instead of the file's").choices(TIMES))
    .addOption(new Option("-e, --engine <engine>", "instead of the file's").choices(ENGINE_KINDS))
    .addOption(new Option("--inference <which>", "instead of the file's").choices(INFERENCES))
    .option("-b, --broker <url>", "of real time, instead of the file's")
    .option("--threads <count>", "that run modules (default: one per core)", integer(1, 256));
}

async function readSpec(file: string, options: FleetOptions) {
  const [{ readFleet }, { withOverrides }] = await Promise.all([
    import("../fleet/spec.ts"),
    import("../fleet/overrides.ts"),
  ]);
  const { seed, duration, devices, time, engine, inference, broker } = options;
  return withOverrides(await readFleet(file), { seed, duration, devices, time, engine, inference, broker });
}

/** Milliseconds. */
function duration(text: string): number {
  const parsed = someDuration.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(`${parsed.error.issues[0]!.message}.`);
  return parsed.data;
}
