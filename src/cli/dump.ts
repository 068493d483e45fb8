/** `--dump`: the stages of a compilation as text, into files or to stdout. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import type { Stage, StageKind } from "../bundle/compile.ts";
import { HedgeError } from "../errors.ts";

const KINDS: readonly StageKind[] = ["pass", "plan", "wat"];
const EXTENSION: Readonly<Record<StageKind, string>> = { pass: "txt", plan: "txt", wat: "wat" };
/** In place of a folder: stdout. */
export const STDOUT = "-";

/** "pass,plan" -> a list. */
export function stageKinds(text: string): StageKind[] {
  const kinds = text.split(",").map((kind) => kind.trim());
  const unknown = kinds.find((kind) => !KINDS.includes(kind as StageKind));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${KINDS.join(", ")}.`);
  return kinds as StageKind[];
}

/**
 * What writes the stages of these kinds, each as it is shown.
 * @param folder is made if need be; STDOUT writes them one after another, each under its name
 * @throws HedgeError (input) by the writer, when a file cannot be written
 */
export function stageWriter(kinds: readonly StageKind[], folder: string): (stage: Stage) => void {
  return ({ kind, name, text }) => {
    if (!kinds.includes(kind)) return;
    const file = `${name}.${EXTENSION[kind]}`;
    if (folder === STDOUT) {
      process.stdout.write(`==> ${file}\n${text()}\n`);
      return;
    }
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, file), text());
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === undefined) throw cause;
      throw new HedgeError("input", `${join(folder, file)} cannot be written (${code}).`, "Give another --dump-dir.", {
        cause,
      });
    }
  };
}
