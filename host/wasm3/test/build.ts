/** Small modules for tests, built with binaryen from its text format. */
import binaryen from "binaryen";
import { Wasm3Error } from "../index.js";

const { Multivalue, MutableGlobals, SignExt, NontrappingFPToInt, BulkMemory } = binaryen.Features;
const FEATURES = Multivalue | MutableGlobals | SignExt | NontrappingFPToInt | BulkMemory;

/** The binary of a module in text format. */
export function wat(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(FEATURES);
  try {
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** The code of the Wasm3Error that `action` throws; other errors pass through. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Wasm3Error) return error.code;
    throw error;
  }
  return "nothing was thrown";
}
