/** Folders that a command writes: a reader finds a whole one or none. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { HedgeError } from "./errors.ts";

/** What a folder is for. */
export interface FolderKind {
  /** As sentences call it: "bundle". */
  readonly what: string;
  /** Whether the files of these names, all that are there, may be replaced. */
  readonly ours: (directory: string, names: readonly string[]) => boolean | Promise<boolean>;
}

/**
 * Whether `writeFolder` would take that folder, so that nobody learns it after an hour's work.
 * @returns whether there is one to be replaced
 * @throws HedgeError: usage when it holds something else, input when it is no folder or not to be read
 */
export async function checkFolder(directory: string, { what, ours }: FolderKind): Promise<boolean> {
  const present = await listFolder(resolve(directory)).catch((cause) => {
    throw notWritten(directory, what, cause);
  });
  if (present && present.length > 0 && !(await ours(directory, present))) {
    throw new HedgeError(
      "usage",
      `${directory} holds files that are not a ${what}'s.`,
      `Give an empty or a new folder for the ${what}.`,
    );
  }
  return present !== undefined;
}

/**
 * Writes files into `directory`, replacing what is there of their kind. They are written beside it and moved into place together.
 * @param files their contents by name
 * @throws HedgeError: usage when the folder holds something else, input when it cannot be written
 */
export async function writeFolder(
  directory: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  kind: FolderKind,
): Promise<void> {
  const target = resolve(directory);
  let temporary: string | undefined;
  try {
    const replaces = await checkFolder(directory, kind);
    const parent = dirname(target);
    await mkdir(parent, { recursive: true });
    temporary = await mkdtemp(join(parent, `.${basename(target)}-`));
    const made = join(temporary, "new");
    await mkdir(made);
    for (const [name, content] of Object.entries(files)) await writeFile(join(made, name), content);
    await moveInto(made, target, replaces ? join(temporary, "old") : undefined);
  } catch (cause) {
    throw cause instanceof HedgeError ? cause : notWritten(directory, kind.what, cause);
  } finally {
    if (temporary) await rm(temporary, { recursive: true, force: true });
  }
}

function notWritten(directory: string, what: string, cause: unknown): HedgeError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new HedgeError(
    "input",
    `The ${what} cannot be written to ${directory} (${reason}).`,
    "Give a folder that this user may write.",
    { cause },
  );
}

/** The names in a folder; undefined when there is no such folder. */
async function listFolder(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Moves `source` to `target`; what is there goes to `aside`, and back if the move fails. */
async function moveInto(source: string, target: string, aside: string | undefined): Promise<void> {
  if (!aside) return rename(source, target);
  await rename(target, aside);
  try {
    await rename(source, target);
  } catch (error) {
    await rename(aside, target);
    throw error;
  }
}
