/**
 * Reading a bundle from a folder, on the assumption that somebody tampered with it.
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

async function readManifest(path: string): Promise<Manifest> {
  const bytes = await readCapped(path, LIMITS.manifestBytes, MISSING);
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
  return manifest;
}

/**
 * Reads and checks the bundle in `directory`: sizes, schema, digest, the hash of each part, the module's validity and
 * interface, and that every address lies inside the module's memory. Throws HedgeError (input) naming the file.
 */
export async function readBundle(directory: string): Promise<Bundle> {
  const manifestPath = join(directory, MANIFEST_FILE);
  const manifest = await readManifest(manifestPath);
  checkGeometry(manifest, manifestPath);

  const readPart = async (name: PartFile): Promise<Uint8Array> => {
    const path = join(directory, name);
    const expected = manifest.parts[name]!;
    const { buffer } = await readCapped(path, LIMITS[name], DAMAGED);
    const bytes = new Uint8Array(buffer);
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
  await checkModule(edgeWasm, join(directory, "edge.wasm"));
  return { manifest, digest: manifest.digest, edgeWasm, weights, cloudOnnx };
}
