/** Sizes of a built firmware, as its linker left it. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { firmwarePath } from "../../boards/emulator.ts";
import type { Variant } from "../../boards/state.ts";
import { HedgeError } from "../../errors.ts";
import { flashOf, readMap } from "./link-map.ts";

/** Parts of a firmware, by the objects they are linked from. */
const PARTS: readonly (readonly [string, RegExp])[] = [
  ["wasm3", /\/generated\/wasm3\//],
  ["native kernels", /\/objects\/kernels\//],
  ["lwIP", /\/lwip\/|\/generated\/net\//],
  ["mbedtls", /\/mbedtls\//],
  ["core", /\/objects\/core\//],
  ["network, of Hedge's own", /\/objects\/net\//],
  ["board", /\/objects\/boards\//],
  ["libraries of the compiler", /\.a\(/],
];

export interface ImageSize {
  /** Bytes written to flash. */
  readonly flash: number;
  /** Bytes of flash by part. */
  readonly parts: readonly (readonly [string, number])[];
}

/** @throws HedgeError (usage) when it is not built */
export async function imageSize(board: string, variant: Variant): Promise<ImageSize> {
  const folder = dirname(firmwarePath(board, variant));
  try {
    const { size } = await stat(join(folder, "firmware.bin"));
    const map = readMap(await readFile(join(folder, "firmware.map"), "utf8"));
    return { flash: size, parts: PARTS.map(([name, objects]) => [name, flashOf(map, objects)] as const) };
  } catch (cause) {
    const remedy = "Build it with make firmware.";
    throw new HedgeError("usage", `There is no firmware for ${board} in ${folder}.`, remedy, { cause });
  }
}
