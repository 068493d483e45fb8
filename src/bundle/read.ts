/**
 * Reading a bundle from a folder, or from wherever else, on the assumption that somebody tampered with it.
 */
import { join } from "node:path";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import type { Bundle } from "./bundle.ts";
import { checkGeometry, checkManifest, checkModule } from "./check.ts";
import { modelDigest, sha256Hex } from "./digest.ts";
import { LIMITS, MANIFEST_FILE, type Manifest, type PartFile } from "./manifest.ts";
import { manifestText } from "./write.ts";

const MISSING = "Give a folder that `hedge compile` wrote, or compile the model again.";
const DAMAGED = "Copy the bundle again from where it was compiled, or compile the model again.";

/** Where the files of a bundle are. */
export interface BundleSource {
  /** What errors call a file. */
  where(file: string): string;
  /**
   * A whole file of at most `limit` bytes; it should have `expected`, and no more than one byte beyond them need be read. Throws a HedgeError
   * for a larger one, and when there is none.
   */
  read(file: string, limit: number, expected?: number): Promise<Uint8Array>;
}

function folderSource(directory: string): BundleSource {
  const where = (file: string) => join(directory, file);
  return {
    where,
    read: (file, limit) => readCapped(where(file), limit, file === MANIFEST_FILE ? MISSING : DAMAGED),
  };
}

/** Reads and checks a manifest alone: its schema, its digest and its geometry. Throws as `readBundleFrom`. */
export async function readManifest(source: BundleSource): Promise<Manifest> {
  const path = source.where(MANIFEST_FILE);
  const bytes = await source.read(MANIFEST_FILE, LIMITS.manifestBytes);
  let text: string;
  let raw: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch (cause) {
    throw new HedgeError("input", `${path} is not JSON.`, DAMAGED, { cause });
  }
  const manifest = checkManifest(raw, path);
  // The digest covers values; the text is compared too, so that no two files pass for one bundle.
  if (modelDigest(manifest) !== manifest.digest || manifestText(raw as Manifest) !== text) {
    throw new HedgeError("input", `${path} was altered: its digest does not match its content.`, DAMAGED);
  }
  checkGeometry(manifest, path);
  return manifest;
}

/** As `readBundleFrom` from a folder. */
export function readBundle(directory: string): Promise<Bundle> {
  return readBundleFrom(folderSource(directory));
}

/** The manifest of the bundle in a folder; its parts are not looked at. Throws HedgeError (input) naming the file. */
export function readBundleManifest(directory: string): Promise<Manifest> {
  return readManifest(folderSource(directory));
}

/**
 * Reads and checks a bundle: sizes, schema, digest, the hash of each part, the module's validity and interface, and that every address lies
 * inside the module's memory. Throws HedgeError (input) naming the file, and what the source throws.
 */
export async function readBundleFrom(source: BundleSource): Promise<Bundle> {
  const manifest = await readManifest(source);

  const readPart = async (name: PartFile): Promise<Uint8Array> => {
    const path = source.where(name);
    const expected = manifest.parts[name]!;
    const read = await source.read(name, LIMITS[name], expected.bytes);
    // A plain array, whatever the source made.
    const bytes = new Uint8Array(read.buffer, read.byteOffset, read.byteLength);
    if (bytes.length !== expected.bytes || sha256Hex(bytes) !== expected.sha256) {
      const what =
        bytes.length !== expected.bytes ? `it has ${bytes.length} bytes, not ${expected.bytes}` : "its SHA-256 differs";
      throw new HedgeError("input", `${path} is not the file that ${MANIFEST_FILE} describes: ${what}.`, DAMAGED);
    }
    return bytes;
  };
  const edgeWasm = await readPart("edge.wasm");
  const weights = await readPart("weights.bin");
  const cloudOnnx = manifest.parts["cloud.onnx"] ? await readPart("cloud.onnx") : undefined;
  await checkModule(edgeWasm, source.where("edge.wasm"));
  return { manifest, digest: manifest.digest, edgeWasm, weights, cloudOnnx };
}
