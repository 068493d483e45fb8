/** Small modules for tests, built with binaryen from its text format. */
import binaryen from "binaryen";

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
