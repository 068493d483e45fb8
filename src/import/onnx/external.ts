/**
 * Tensors whose data lie in other files (ONNX, "External Data"): read into the model, so that nothing else has to know of them.
 * A model is from outside, and so are the names in it: only regular files in the model's own folder are opened.
 */
import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative } from "node:path";
import { DIAGNOSTICS, type DiagnosticCode } from "../../diagnostics.ts";
import { HedgeError } from "../../errors.ts";
import { type OpenFile, openFile } from "../../files.ts";
import { isExternal, titleOf } from "./tensor.ts";
import type { OnnxModel, OnnxTensor } from "./types.ts";

/** All data of a model together. */
const MAX_EXTERNAL_BYTES = 512 << 20;

/**
 * Replaces references to data files by the data, in place. Tensors in subgraphs are left as they are: they do not compile.
 * @param path of the model; data files are looked for in its folder
 * @returns the data, in the order of the tensors
 * @throws HedgeError (input) for a file that is missing, too short or outside of the folder, and for more than 512 MiB of data
 */
export async function loadExternalData({ graph }: OnnxModel, path: string): Promise<Uint8Array[]> {
  const tensors = [
    ...graph.initializer,
    ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => (t ? [t] : []))),
  ].filter(isExternal);
  const files = new Map<string, OpenFile>();
  let room = MAX_EXTERNAL_BYTES;
  try {
    const loaded: Uint8Array[] = [];
    for (const tensor of tensors) {
      const reference = new Reference(tensor, path);
      const file = files.get(reference.location) ?? (await reference.open());
      files.set(reference.location, file);
      const data = await reference.read(file, room);
      room -= data.length;
      loaded.push(data);
      tensor.rawData = data;
      tensor.externalData = [];
      delete tensor.dataLocation;
    }
    return loaded;
  } finally {
    for (const { handle } of files.values()) await handle.close();
  }
}

/** What one tensor says of its data: the file's name, and optionally which bytes of it. */
class Reference {
  readonly location: string;
  readonly #title: string;
  readonly #folder: string;
  readonly #offset: string;
  readonly #length: string | undefined;

  constructor(tensor: OnnxTensor, path: string) {
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value ?? ""]));
    this.location = entries.get("location") ?? "";
    this.#offset = entries.get("offset") ?? "0";
    this.#length = entries.get("length");
    this.#title = titleOf(tensor, path);
    this.#folder = dirname(path);
  }

  async open(): Promise<OpenFile> {
    const { location } = this;
    const file = join(this.#folder, location);
    if (location === "" || location.includes("\0") || isAbsolute(location) || leaves(this.#folder, file))
      throw this.#refuse("H106", `names the data file ${JSON.stringify(location)}, which is not in the model's folder`);
    try {
      // A link in the folder may lead out of it.
      const target = await realpath(file).catch(() => file);
      if (leaves(await realpath(this.#folder), target))
        throw this.#refuse("H106", `names the data file ${file}, a link out of the model's folder`);
      return await openFile(target, DIAGNOSTICS.H106.remedy);
    } catch (cause) {
      if (!(cause instanceof HedgeError) || cause.code) throw cause;
      const sentence = `${this.#title} keeps its data in another file: ${cause.message}`;
      throw new HedgeError("input", sentence, cause.remedy, { code: "H106", cause });
    }
  }

  async read({ handle, bytes }: OpenFile, room: number): Promise<Uint8Array> {
    const offset = Number(this.#offset);
    const length = this.#length === undefined ? bytes - offset : Number(this.#length);
    if (![offset, length].every((n) => Number.isSafeInteger(n) && n >= 0) || offset + length > bytes) {
      const wanted = this.#length === undefined ? "the bytes" : `${this.#length} bytes`;
      throw this.#refuse("H106", `wants ${wanted} from ${this.#offset} on of ${this.location}, which has ${bytes}`);
    }
    if (length > room)
      throw this.#refuse("H102", `is one of several that keep more than ${MAX_EXTERNAL_BYTES} bytes in other files`);
    const data = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const { bytesRead } = await handle.read(data, filled, length - filled, offset + filled);
      if (bytesRead === 0) throw this.#refuse("H106", `misses data: ${this.location} ended while it was read`);
      filled += bytesRead;
    }
    return data;
  }

  #refuse(code: DiagnosticCode, what: string): HedgeError {
    return new HedgeError("input", `${this.#title} ${what}.`, DIAGNOSTICS[code].remedy, { code });
  }
}

function leaves(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside === ".." || inside.startsWith("../") || isAbsolute(inside);
}
