/**
 * Writing a bundle so that a reader finds a whole one or none.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { HedgeError } from "../errors.ts";
import type { Bundle } from "./bundle.ts";
import { BUNDLE_FORMAT, MANIFEST_FILE, type Manifest, PART_FILES, SLOT_FILE } from "./manifest.ts";

/** The one text of a manifest; a reader accepts no other. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
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

/** Whether a folder holds a bundle, whole or damaged, and nothing else: only that may be replaced. */
async function isBundle(directory: string, names: readonly string[]): Promise<boolean> {
  const known: readonly string[] = [...PART_FILES, MANIFEST_FILE, SLOT_FILE];
  if (!names.includes(MANIFEST_FILE) || !names.every((name) => known.includes(name))) return false;
  return (await readFile(join(directory, MANIFEST_FILE), "utf8")).includes(BUNDLE_FORMAT);
}

/** Moves `source` to `target`; what is there goes to `aside`, and back if the move fails. */
async function replaceFolder(source: string, target: string, aside: string | undefined): Promise<void> {
  if (!aside) return rename(source, target);
  await rename(target, aside);
  try {
    await rename(source, target);
  } catch (error) {
    await rename(aside, target);
    throw error;
  }
}

/**
 * Writes a bundle into `directory`, replacing the bundle that is there. The files are written beside it and moved into
 * place together. Throws HedgeError: usage when the folder holds something else, input when it cannot be written.
 */
export async function writeBundle(directory: string, bundle: Bundle): Promise<void> {
  const target = resolve(directory);
  const parent = dirname(target);
  let temporary: string | undefined;
  try {
    const present = await listFolder(target);
    if (present && present.length > 0 && !(await isBundle(target, present))) {
      throw new HedgeError(
        "usage",
        `${directory} holds files that are not a bundle's.`,
        "Give an empty or a new folder for the bundle.",
      );
    }
    await mkdir(parent, { recursive: true });
    temporary = await mkdtemp(join(parent, `.${basename(target)}-`));
    const files = join(temporary, "new");
    await mkdir(files);
    await writeFile(join(files, "edge.wasm"), bundle.edgeWasm);
    await writeFile(join(files, "weights.bin"), bundle.weights);
    if (bundle.cloudOnnx) await writeFile(join(files, "cloud.onnx"), bundle.cloudOnnx);
    await writeFile(join(files, MANIFEST_FILE), manifestText(bundle.manifest));
    await replaceFolder(files, target, present ? join(temporary, "old") : undefined);
  } catch (cause) {
    if (cause instanceof HedgeError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new HedgeError(
      "input",
      `The bundle cannot be written to ${directory} (${reason}).`,
      "Give a folder that this user may write.",
      {
        cause,
      },
    );
  } finally {
    if (temporary) await rm(temporary, { recursive: true, force: true });
  }
}
