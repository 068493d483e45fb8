/** The folder in which an emulated board lives on: its flash and keys, and, while it runs, how to reach it. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { unwritable } from "../files.ts";
import { writeWhole } from "./flash-file.ts";
import { isListening } from "./qmp.ts";

export const VARIANTS = ["plain", "tls", "small"] as const;
export type Variant = (typeof VARIANTS)[number];

const runningSchema = z.strictObject({
  /** The board's name, and the device's on it. */
  board: z.string(),
  id: z.string(),
  variant: z.enum(VARIANTS),
  /** Of the process that looks after QEMU. */
  pid: z.int().positive(),
  /** tcp:127.0.0.1:PORT, for any number of programs. */
  uart: z.string(),
  /** Sockets of QEMU's gdb stub and its QMP. */
  gdb: z.string(),
  qmp: z.string(),
  /** Port of the time server on the host's loopback. */
  sntp: z.int().positive(),
});
export type RunningBoard = z.infer<typeof runningSchema>;

/** Of the folder one works in. */
const STATE = ".hedge";

const aboutSchema = runningSchema.pick({ board: true, id: true });
/** What a state folder is of, also while nothing runs. */
export type About = z.infer<typeof aboutSchema>;

/** Files of a state folder. */
export interface StatePaths {
  readonly folder: string;
  readonly flash: string;
  readonly about: string;
  readonly running: string;
  readonly qmp: string;
  readonly gdb: string;
  readonly signer: string;
  readonly log: string;
}

export function statePaths(folder: string): StatePaths {
  const at = (file: string): string => join(folder, file);
  return {
    folder,
    flash: at("flash.bin"),
    about: at("device.json"),
    running: at("board.json"),
    qmp: at("qmp.sock"),
    gdb: at("gdb.sock"),
    signer: at("signer.pem"),
    log: at("board.log"),
  };
}

/** Where a board's state lies unless somebody says otherwise. */
export function defaultFolder(name: string): string {
  return join(STATE, name);
}

/** @throws HedgeError (input) when there cannot be one */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/** @returns how to reach the board that runs from this folder; undefined when none does */
export async function readRunning(folder: string): Promise<RunningBoard | undefined> {
  const paths = statePaths(folder);
  // A file that a killed process left tells nothing: QEMU's socket answers, or there is no QEMU.
  return (await isListening(paths.qmp)) ? read(paths.running, runningSchema) : undefined;
}

/** @returns undefined for a folder from which no board ran yet */
export function readAbout(folder: string): Promise<About | undefined> {
  return read(statePaths(folder).about, aboutSchema);
}

async function read<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new HedgeError("input", `${path} does not say what board it is of.`, "Remove it, and start the board again.");
}

/** The boards that run from folders in .hedge, by name. */
export async function runningBoards(): Promise<RunningBoard[]> {
  const names = await readdir(STATE).catch(() => []);
  const found = await Promise.all(names.toSorted().map((name) => readRunning(defaultFolder(name))));
  return found.filter((running) => running !== undefined);
}

export async function writeRunning(folder: string, running: RunningBoard): Promise<void> {
  const paths = statePaths(folder);
  const about: About = { board: running.board, id: running.id };
  await writeWhole(paths.about, `${JSON.stringify(about)}\n`);
  await writeWhole(paths.running, `${JSON.stringify(running, null, 2)}\n`);
}

export async function removeRunning(folder: string): Promise<void> {
  const { running, qmp, gdb } = statePaths(folder);
  await Promise.all([running, qmp, gdb].map((file) => rm(file, { force: true })));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
