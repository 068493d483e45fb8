/** The firmware of emulated boards, as `make firmware` builds it. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Variant } from "../../src/boards/state.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUILD = join(ROOT, "build/firmware");

/** Brings the images up to date where they are not; one build at a time, whoever wants it. */
export async function buildBoards(boards: readonly string[], variant: Variant = "plain"): Promise<void> {
  mkdirSync(BUILD, { recursive: true });
  for (const board of boards) {
    const make = ["make", "-s", "-C", join(ROOT, "firmware-wasm"), `BOARD=${board}`, `VARIANT=${variant}`, "image"];
    await promisify(execFile)("flock", [join(BUILD, ".lock"), ...make], { maxBuffer: 16 << 20 }).catch((cause) => {
      throw new Error(`The firmware of ${board} does not build:\n${(cause as { stderr: string }).stderr}`);
    });
  }
}
