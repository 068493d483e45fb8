/** A run as files: what is reproducible apart from what is not. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HedgeError } from "../../errors.ts";
import { readCapped } from "../../files.ts";
import { checkFolder, type FolderKind, writeFolder } from "../../folder.ts";
import { type FleetResult, fleetResultSchema, type RunCost } from "../result.ts";
import { reportPage } from "./page.ts";

/** The whole run; in virtual time equal byte for byte whenever the same file is run. */
const RESULT_FILE = "result.json";
/** Instead of it, what a run came to that was stopped. */
const PARTIAL_FILE = "partial.json";
const COST_FILE = "cost.json";
const REPORT_FILE = "report.html";

/** A thousand groups over a thousand intervals are less. */
const MAX_RESULT_BYTES = 1 << 30;
const MOST_ISSUES = 3;

const RUN: FolderKind = {
  what: "report",
  ours: (_, names) => names.every((name) => [RESULT_FILE, PARTIAL_FILE, COST_FILE, REPORT_FILE].includes(name)),
};

/** @throws HedgeError (usage) when the folder holds something else than an earlier run */
export async function checkRunFolder(directory: string): Promise<void> {
  await checkFolder(directory, RUN);
}

/** Writes a run's files, in the place of an earlier run's. @throws HedgeError as `writeFolder` */
export async function writeRun(directory: string, result: FleetResult, cost: RunCost): Promise<void> {
  const json = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`;
  await writeFolder(
    directory,
    {
      [result.stopped === undefined ? RESULT_FILE : PARTIAL_FILE]: json(result),
      [COST_FILE]: json(cost),
      [REPORT_FILE]: await reportPage(result, cost),
    },
    RUN,
  );
}

/**
 * Reads a result.
 * @param path the file, or the folder of a run
 * @throws HedgeError (input) when there is none, or it is none
 */
export async function readResult(path: string): Promise<FleetResult> {
  const isFolder = await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, RESULT_FILE) : path;
  const remedy = `Give the ${RESULT_FILE} that hedge fleet run FILE -o FOLDER writes, or its folder.`;
  const bytes = await readCapped(file, MAX_RESULT_BYTES, remedy);
  const checked = fleetResultSchema.safeParse(parseJson(bytes, file, remedy));
  if (checked.success) return checked.data;
  const flaws = checked.error.issues.slice(0, MOST_ISSUES);
  const sentences = flaws.map(({ path: keys, message }) => `${keys.map(String).join(".") || "all of it"}: ${message}`);
  throw new HedgeError("input", `${file} is no result of a fleet's run: ${sentences.join("; ")}.`, remedy);
}

function parseJson(bytes: Uint8Array, file: string, remedy: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new HedgeError("input", `${file} is not JSON.`, remedy, { cause });
  }
}
