/** The network port's test programs in C, with lwIP: firmware-wasm/test/net. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");
const BUILD = join(ROOT, "build/test-firmware");
export const LWIP = process.env.LWIP_SOURCE ?? join(ROOT, "build/third-party/lwip");

/** Builds them, in a folder of this name. @param variables of their Makefile @returns the folder */
export async function netPrograms(name: string, variables: readonly string[] = []): Promise<string> {
  mkdirSync(BUILD, { recursive: true });
  const image = join(BUILD, name);
  const make = ["make", "-s", "-j2", "-C", join(ROOT, "firmware-wasm"), "-f", "test/net/Makefile", `IMAGE=${image}`];
  await promisify(execFile)("flock", [join(BUILD, `${name}.lock`), ...make, ...variables], { maxBuffer: 16 << 20 });
  return image;
}
