/** wasm3 as firmware builds it (firmware-wasm/wasm3/wasm3.mk), for a program of the bench: on a 32-bit Arm. */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type RunnerBuild, tool, wasm3Source } from "../wasm3-build.ts";
import { BUILD_FOLDER, FIRMWARE_FOLDER } from "./files.ts";

/** Variables of wasm3.mk, such as WASM3_POPCOUNT: 0. What is not named is as in firmware. */
export type Levers = Readonly<Record<string, string | number>>;

/**
 * @param build of a 32-bit Arm
 * @returns the build with wasm3's sources as firmware patches them, its operations and the rest with firmware's flags
 * @throws HedgeError: internal when a patch does not fit the installed wasm3
 */
export async function tuneWasm3(build: RunnerBuild, levers: Levers = {}): Promise<RunnerBuild> {
  const source = wasm3Source();
  const image = join(BUILD_FOLDER, `firmware-${createHash("sha256").update(source).digest("hex").slice(0, 8)}`);
  const variables = { CROSS: "arm-none-eabi-", IMAGE: image, WASM3_SOURCE: source, ...levers };
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  await mkdir(BUILD_FOLDER, { recursive: true });
  // One at a time makes the sources, whoever wants them.
  const make = ["make", "-s", "-f", MAKEFILE, "wasm3-build", ...settings];
  const said = await tool("flock", [`${image}.lock`, ...make], "make", FIRMWARE_FOLDER);
  const [defines, flags, operationFlags] = said.trimEnd().split("\n").slice(-3).map(words);
  const folder = join(image, "wasm3");
  return {
    ...build,
    operationFlags: operationFlags!,
    defines: defines!,
    wasm3: { folder, flags: ["-Os", ...flags!] },
  };
}

const MAKEFILE = join("wasm3", "wasm3.mk");
const words = (line: string): string[] => line.split(" ").filter((word) => word !== "");
