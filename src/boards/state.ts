/** The folder in which an emulated board lives on: its flash and keys, and, while it runs, how to reach it. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
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

/** Files of a state folder. */
export interface StatePaths {
  readonly folder: string;
  readonly flash: string;
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

/** @returns how to reach the board that runs from this folder; undefined when none does */
export async function readRunning(folder: string): Promise<RunningBoard | undefined> {
  const paths = statePaths(folder);
  // A file that a killed process left tells nothing: QEMU's socket answers, or there is no QEMU.
  if (!(await isListening(paths.qmp))) return undefined;
  const text = await readFile(paths.running, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = runningSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new HedgeError(
    "input",
    `${paths.running} does not say how to reach its board.`,
    `Stop the board (hedge board stop) and start it again.`,
  );
}

/** The boards that run from folders in .hedge, by name. */
export async function runningBoards(): Promise<RunningBoard[]> {
  const names = await readdir(STATE).catch(() => []);
  const found = await Promise.all(names.toSorted().map((name) => readRunning(defaultFolder(name))));
  return found.filter((running) => running !== undefined);
}

export async function writeRunning(folder: string, running: RunningBoard): Promise<void> {
  await writeWhole(statePaths(folder).running, `${JSON.stringify(running, null, 2)}\n`);
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
