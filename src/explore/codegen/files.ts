/** Where the C that is measured lies, and what is built of it. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const BUILD_FOLDER = root("tools/bench/build");
export const FIRMWARE_FOLDER = root("firmware-wasm");
export const KERNEL_FOLDER = join(FIRMWARE_FOLDER, "kernels");

/** A file of tools/bench/codegen. */
export function sourceFile(name: string): string {
  return join(root("tools/bench/codegen"), name);
}
