/** Files that somebody names: read when they are regular and of a size that was agreed before. */
import { constants } from "node:fs";
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { HedgeError } from "./errors.ts";

/** A file that can be read, and its size when it was opened. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly bytes: number;
}

/**
 * Opens a regular file; the caller closes its handle.
 * @param remedy what the user can do when there is no such file
 * @throws HedgeError (input) when it does not exist, cannot be opened or is a folder or a device
 */
export async function openFile(path: string, remedy: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    // Opening a pipe would otherwise wait for somebody to write to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new HedgeError("input", `${path} does not exist.`, remedy, { cause });
    throw new HedgeError("input", `${path} cannot be opened (${code}).`, "Make it readable for this user.", { cause });
  }
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) throw new HedgeError("input", `${path} is no regular file.`, remedy);
    return { handle, bytes: facts.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads the first `count` bytes. @throws HedgeError (input) when the file became shorter meanwhile */
export async function readStart(path: string, { handle }: OpenFile, count: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(count));
  for (let filled = 0; filled < count; ) {
    const { bytesRead } = await handle.read(bytes, filled, count - filled, filled);
    if (bytesRead === 0)
      throw new HedgeError("input", `${path} ended while it was read.`, "Try again when nothing writes to it.");
    filled += bytesRead;
  }
  return bytes;
}

/**
 * Reads a whole file of at most `limit` bytes.
 * @throws HedgeError (input) as `openFile`, and for a larger file
 */
export async function readCapped(path: string, limit: number, remedy: string): Promise<Buffer> {
  const file = await openFile(path, remedy);
  try {
    if (file.bytes > limit)
      throw new HedgeError("input", `${path} has ${file.bytes} bytes; at most ${limit} are accepted.`, remedy);
    return await readStart(path, file, file.bytes);
  } finally {
    await file.handle.close();
  }
}

/** Writes a file that somebody names. @throws HedgeError (input) when it cannot be written */
export async function writeNamed(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** What is to be thrown where the file system does not let a file or folder be written; other errors stay what they are. */
export function unwritable(path: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === undefined || cause instanceof HedgeError) return cause;
  const remedy = "Name one in a folder that exists and that this user may write to.";
  return new HedgeError("input", `${path} cannot be written (${code}).`, remedy, { cause });
}
