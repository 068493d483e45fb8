/** A model file as a compilation starts from it. */
import { createHash } from "node:crypto";
import { decodeModel, readModelBytes } from "./codec.ts";
import { loadExternalData } from "./external.ts";
import type { OnnxModel } from "./types.ts";

export interface ModelFile {
  readonly model: OnnxModel;
  /** Its path, which errors name. */
  readonly file: string;
  /** Of the file's bytes, and then of the data that it keeps in other files: 64 hexadecimal digits. */
  readonly sha256: string;
}

/** @throws HedgeError (input) for bytes that are no ONNX model, see `decodeModel` */
export function modelFile(bytes: Uint8Array, file: string): ModelFile {
  return { model: decodeModel(bytes, file), file, sha256: sha256Of([bytes]) };
}

/** Reads a model with the data that it keeps in other files. @throws HedgeError (input) as `decodeModel` and `loadExternalData` */
export async function readModelFile(path: string): Promise<ModelFile> {
  const bytes = await readModelBytes(path);
  const model = decodeModel(bytes, path);
  const data = await loadExternalData(model, path);
  return { model, file: path, sha256: sha256Of([bytes, ...data]) };
}

function sha256Of(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
