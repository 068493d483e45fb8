/** The file behind an emulated board's flash. It is only ever replaced as a whole, so that no write of ours leaves it torn. */
import { open, rename, rm } from "node:fs/promises";
import { HedgeError } from "../errors.ts";
import { openFile, readStart, unwritable } from "../files.ts";
import { areaBytes, type Board, type EmulatorSpec, type Slots } from "./boards.ts";

/** A board that QEMU can show. */
export type EmulatedBoard = Board & { readonly slots: Slots; readonly emulator: EmulatorSpec };

/** @throws HedgeError (usage) for a board without an emulator */
export function requireEmulated(board: Board): EmulatedBoard {
  if (isEmulated(board)) return board;
  throw new HedgeError("usage", `${board.name} is not emulated.`, "Take a board that hedge board list shows.");
}

export function isEmulated(board: Board): board is EmulatedBoard {
  return board.slots !== undefined && board.emulator !== undefined;
}

/** The board's flash area: what its file holds, erased flash when there is no file yet. */
export async function readArea(path: string, board: EmulatedBoard): Promise<Buffer> {
  const bytes = areaBytes(board.slots);
  if (!(await exists(path))) return Buffer.alloc(bytes, 0xff);
  const remedy = `Remove it: the flash starts anew, without a model.`;
  const file = await openFile(path, remedy);
  try {
    if (file.bytes !== board.emulator.flash.bytes) {
      throw new HedgeError("input", `${path} is no flash of ${board.name}: it has ${file.bytes} bytes.`, remedy);
    }
    return await readStart(path, file, bytes);
  } finally {
    await file.handle.close();
  }
}

export async function writeArea(path: string, board: EmulatedBoard, area: Uint8Array): Promise<void> {
  await writeWhole(path, area, board.emulator.flash.bytes);
}

/** Writes a file so that it holds either what it held or all of the new content. @param bytes its size, where that is more than the content's @throws HedgeError (input) when it cannot */
export async function writeWhole(path: string, content: Uint8Array | string, bytes?: number): Promise<void> {
  const draft = `${path}.new`;
  try {
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(content);
      if (bytes !== undefined) await file.truncate(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw unwritable(path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  await file?.close();
  return file !== undefined;
}
