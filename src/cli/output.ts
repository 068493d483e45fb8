/** What commands share to speak: results to stdout, everything else to stderr. */
import type { Command } from "commander";
import pc from "picocolors";
import type { Problem } from "../diagnostics.ts";
import { HedgeError } from "../errors.ts";

/** Options that every command has. */
export interface GlobalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

export function globalOptions(command: Command): GlobalOptions {
  const { json = false, quiet = false } = command.optsWithGlobals<Partial<GlobalOptions>>();
  return { json, quiet };
}

/** Writes a result: `text` for people, `value` as one line of JSON with --json. */
export function printResult({ json }: Pick<GlobalOptions, "json">, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text()}\n`);
}

/** The sentence and the remedy of an error; of anything that is no HedgeError the stack, for it is a defect of ours. */
export function reportError(error: unknown, json: boolean): void {
  process.stderr.write(`${json ? JSON.stringify({ error: describe(error) }) : forPeople(error)}\n`);
}

/** Longer words are cut: a model may call a node whatever fits a file. */
const LONGEST_WORD = 1000;

/** Names from files stand in sentences; what would steer a terminal is taken out of them. */
export function printable(text: string): string {
  return text
    .replace(/[^\P{Cc}\n]/gu, "?")
    .replace(/\S+/g, (word) => (word.length > LONGEST_WORD ? `${word.slice(0, LONGEST_WORD)}...` : word));
}

interface Description {
  readonly kind: string;
  readonly code?: string | undefined;
  readonly message: string;
  readonly remedy?: string;
  readonly problems?: readonly Problem[] | undefined;
}

function describe(error: unknown): Description {
  if (error instanceof HedgeError) {
    const { kind, code, message, remedy, problems } = error;
    return { kind, code, message, remedy, problems: problems.length > 0 ? problems : undefined };
  }
  return { kind: "internal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function forPeople(error: unknown): string {
  const colours = pc.createColors(pc.isColorSupported && process.stderr.isTTY === true);
  const { code, message, remedy } = describe(error);
  const mark = colours.bold(colours.red(code === undefined ? "error:" : `error ${code}:`));
  return remedy === undefined
    ? `${mark} this is a defect in Hedge; please report it with what follows.\n${message}`
    : `${mark} ${printable(message)}\n  ${printable(remedy)}`;
}
