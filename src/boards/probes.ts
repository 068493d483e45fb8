/** Real boards: the tools that read and write their flash, as command lines. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { HedgeError } from "../errors.ts";
import type { Board, Probe } from "./boards.ts";

export type ProbedBoard = Board & { readonly slots: NonNullable<Board["slots"]>; readonly probe: Probe };

export function isProbed(board: Board): board is ProbedBoard {
  return board.slots !== undefined && board.probe !== undefined;
}

/** @throws HedgeError (usage) for a board that no tool flashes */
export function requireProbed(board: Board): ProbedBoard {
  if (isProbed(board)) return board;
  const remedy = "Give a board whose file names openocd, esptool or picotool and the layout of its flash.";
  throw new HedgeError("usage", `The file of ${board.name} names no tool that writes its flash.`, remedy);
}

interface Tool {
  /** What makes it available. */
  readonly install: string;
  /** Copies flash into a file. */
  readonly read: (probe: Probe, address: number, bytes: number, file: string) => readonly string[];
  /** Erases, writes, compares, and starts the board again. */
  readonly write: (probe: Probe, address: number, bytes: number, file: string) => readonly string[];
}

const TOOLS: Record<Probe["tool"], Tool> = {
  openocd: {
    install: "apt-get install openocd",
    read: ({ config }, address, bytes, file) => [
      ...openocd(config),
      `init; reset halt; dump_image ${file} ${hex(address)} ${bytes}; resume; exit`,
    ],
    write: ({ config }, address, _, file) => [...openocd(config), `program ${file} ${hex(address)} verify reset exit`],
  },
  esptool: {
    install: "apt-get install esptool, or pip install esptool",
    read: ({ config }, address, bytes, file) => [...esptool(config), "read_flash", hex(address), `${bytes}`, file],
    write: ({ config }, address, _, file) => [...esptool(config), "write_flash", hex(address), file],
  },
  picotool: {
    install: "apt-get install picotool, or build it from github.com/raspberrypi/picotool",
    read: (_, address, bytes, file) => [
      ...["picotool", "save", "-f", "-r", hex(address), hex(address + bytes), file],
      ...["-t", "bin"],
    ],
    write: (_, address, _bytes, file) => ["picotool", "load", "-f", "-v", "-x", file, "-t", "bin", "-o", hex(address)],
  },
};

function openocd(config: string | undefined): string[] {
  return ["openocd", ...(config === undefined ? [] : ["-f", config]), "-c"];
}

function esptool(chip: string | undefined): string[] {
  return ["esptool", ...(chip === undefined ? [] : ["--chip", chip])];
}

/** The command that copies `bytes` of the flash area from `offset` on into a file. */
export function readCommand({ probe }: ProbedBoard, offset: number, bytes: number, file: string): readonly string[] {
  return TOOLS[probe.tool].read(probe, probe.address + offset, bytes, file);
}

/** The command that writes a file of `bytes` to the flash area at `offset`, and starts the board again. */
export function writeCommand({ probe }: ProbedBoard, offset: number, bytes: number, file: string): readonly string[] {
  return TOOLS[probe.tool].write(probe, probe.address + offset, bytes, file);
}

/** As one would type it. */
export function commandText(command: readonly string[]): string {
  return command.map((word) => (/^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/**
 * Runs a tool to its end.
 * @throws HedgeError: input when it is not installed, network when it fails, with what it said last
 */
export async function runTool({ probe, name }: ProbedBoard, command: readonly string[]): Promise<void> {
  const [program, ...words] = command;
  const child = spawn(program!, words, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text = (text + piece).slice(-LONGEST_REPORT);
    });
  }
  const [code, signal] = await once(child, "close").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
    const { install } = TOOLS[probe.tool];
    throw new HedgeError("input", `${program} is not installed, which flashes ${name}.`, `Install it: ${install}.`, {
      cause,
    });
  });
  if (code === 0) return;
  const last = text.trim().split("\n").slice(-LAST_LINES).join(" | ");
  throw new HedgeError(
    "network",
    `${program} could not reach ${name} (${signal ?? `exit code ${code}`}): ${last || "it said nothing"}.`,
    `Connect the board and try again; by hand: ${commandText(command)}`,
  );
}

/** Of what a tool said, characters that are kept and lines that are shown. */
const LONGEST_REPORT = 4_000;
const LAST_LINES = 3;

function hex(address: number): string {
  return `0x${address.toString(16).padStart(8, "0")}`;
}
