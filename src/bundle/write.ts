/**
 * Writing a bundle so that a reader finds a whole one or none.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FolderKind, writeFolder } from "../folder.ts";
import type { Bundle } from "./bundle.ts";
import { BUNDLE_FORMAT, MANIFEST_FILE, type Manifest, PART_FILES, SLOT_FILE } from "./manifest.ts";

/** The one text of a manifest; a reader accepts no other. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** A bundle, whole or damaged, and nothing else: only that may be replaced. */
const BUNDLE: FolderKind = {
  what: "bundle",
  ours: async (directory, names) => {
    const known: readonly string[] = [...PART_FILES, MANIFEST_FILE, SLOT_FILE];
    if (!names.includes(MANIFEST_FILE) || !names.every((name) => known.includes(name))) return false;
    return (await readFile(join(directory, MANIFEST_FILE), "utf8")).includes(BUNDLE_FORMAT);
  },
};

/**
 * Writes a bundle into `directory`, replacing the bundle that is there. The files are written beside it and moved into
 * place together. Throws HedgeError: usage when the folder holds something else, input when it cannot be written.
 */
export async function writeBundle(directory: string, bundle: Bundle): Promise<void> {
  const { edgeWasm, weights, cloudOnnx, manifest } = bundle;
  const files = {
    "edge.wasm": edgeWasm,
    "weights.bin": weights,
    ...(cloudOnnx ? { "cloud.onnx": cloudOnnx } : {}),
    [MANIFEST_FILE]: manifestText(manifest),
  };
  await writeFolder(directory, files, BUNDLE);
}
