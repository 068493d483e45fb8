/** Where the C of tools/bench/codegen lies, and what is built of it. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BENCH_FOLDER = fileURLToPath(new URL("../../../tools/bench/", import.meta.url));

export const BUILD_FOLDER = join(BENCH_FOLDER, "build");

export function sourceFile(name: string): string {
  return join(BENCH_FOLDER, "codegen", name);
}
