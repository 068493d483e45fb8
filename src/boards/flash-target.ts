/** What `hedge flash` is to write to, and by which way: by what was named, what kind of board that is, and whether it runs. */
import { HedgeError } from "../errors.ts";
import { type Board, findBoard } from "./boards.ts";
import { type EmulatedBoard, isEmulated } from "./flash-file.ts";
import { isProbed, type ProbedBoard } from "./probes.ts";
import { defaultFolder, type RunningBoard, readAbout, readRunning } from "./state.ts";

export const WAYS = ["file", "gdb", "uart", "mqtt", "probe"] as const;
export type Way = (typeof WAYS)[number];

export interface Named {
  /** A board, or the id of an emulated one. */
  readonly board?: string;
  readonly via?: Way;
  /** State folder; by default that of the name. */
  readonly state?: string;
  readonly link?: string;
  readonly device?: string;
}

export type Target =
  | { readonly way: "file"; readonly board: EmulatedBoard; readonly folder: string; readonly device: string }
  | { readonly way: "gdb"; readonly board: EmulatedBoard; readonly folder: string; readonly running: RunningBoard }
  | { readonly way: "probe"; readonly board: ProbedBoard; readonly folder?: undefined }
  /** Who knows its board only by asking has none here. */
  | { readonly way: "uart"; readonly board?: Board; readonly folder?: string; readonly link: string }
  | { readonly way: "mqtt"; readonly board?: Board; readonly folder?: string; readonly device: string };

/** @throws HedgeError (usage) when nothing was named, or what was named cannot be written that way */
export async function findTarget(named: Named): Promise<Target> {
  const { board: name, via } = named;
  if (named.link !== undefined && named.device !== undefined) {
    throw new HedgeError("usage", "A device is named twice.", "Give --link, or --device with --broker.");
  }
  const folder = named.state ?? (name === undefined ? undefined : defaultFolder(name));
  const running = folder === undefined ? undefined : await readRunning(folder);
  const about = folder === undefined ? undefined : await readAbout(folder);
  const kind = about?.board ?? name;
  const board = kind === undefined ? undefined : await findBoard(kind);
  const emulated = board && isEmulated(board) ? board : undefined;
  const probed = board && isProbed(board) ? board : undefined;
  const link = named.link ?? running?.uart;
  const device = named.device ?? running?.id;

  const ways: Record<Way, () => Target | undefined> = {
    file: () =>
      emulated && folder !== undefined
        ? { way: "file", board: emulated, folder, device: about?.id ?? emulated.name }
        : undefined,
    gdb: () =>
      emulated && folder !== undefined && running ? { way: "gdb", board: emulated, folder, running } : undefined,
    uart: () => (link === undefined ? undefined : { way: "uart", board, folder, link }),
    mqtt: () => (device === undefined ? undefined : { way: "mqtt", board, folder, device }),
    probe: () => probed && { way: "probe", board: probed },
  };
  const usual = named.device !== undefined ? "mqtt" : link !== undefined ? "uart" : emulated ? "file" : "probe";
  const target = ways[via ?? usual]();
  if (target) return target;
  const sentence =
    via !== undefined
      ? `--via ${via} takes ${NEEDS[via]}.`
      : name !== undefined
        ? `${name} is not emulated, and its file names no tool that writes its flash.`
        : "Nothing says what is to be flashed.";
  throw new HedgeError("usage", sentence, "Give --board, --link or --device: see hedge help flash.");
}

const NEEDS: Record<Way, string> = {
  file: "an emulated --board",
  gdb: "a --board that runs in the emulator",
  uart: "a --link, or a --board that runs in the emulator",
  mqtt: "a --device, or a --board that runs in the emulator",
  probe: "a --board whose file names the tool that flashes it",
};
