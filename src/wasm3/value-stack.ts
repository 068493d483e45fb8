/** How much of wasm3's value stack a module needs, wherever it runs. */
import { HOST_BUILD, MCU_BUILD, type Wasm3Build } from "./code-pages.ts";
import { compileMetacode } from "./metacode.ts";
import { decodeWasm } from "./wasm-code.ts";

/** @returns bytes: what the builds of wasm3 on hosts and devices want, as far as they take the module at all */
export function valueStackBytes(edgeWasm: Uint8Array): number {
  const code = decodeWasm(edgeWasm);
  const on = (build: Wasm3Build): number => compileMetacode(code, build).stackBytes;
  try {
    return Math.max(on(HOST_BUILD), on(MCU_BUILD));
  } catch (error) {
    // A function that is too large for a device: hosts run it all the same.
    if (!(error instanceof RangeError)) throw error;
    return on(HOST_BUILD);
  }
}
