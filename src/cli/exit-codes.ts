/** `hedge help exit-codes`: a page of help, not a command that lists itself. */
import { Command } from "commander";
import { type ErrorKind, EXIT_CODES } from "../errors.ts";

const MEANINGS: Record<ErrorKind, string> = {
  internal: "a defect in Hedge",
  usage: "wrong arguments",
  input: "a model, bundle, key or other file is missing, damaged or not supported, or a device refuses it",
  network: "a broker, worker or device cannot be reached",
  check: "the command ran, but a check that it was asked to make failed",
};

/** The page. */
export function exitCodesHelp(): string {
  const rows = Object.entries(EXIT_CODES).map(([kind, code]) => `  ${code}  ${MEANINGS[kind as ErrorKind]}`);
  return `Exit codes\n\n  0  success\n${rows.join("\n")}\n`;
}

export function register(program: Command): void {
  const page = new Command("exit-codes").helpOption(false).action(() => {
    process.stdout.write(exitCodesHelp());
  });
  page.helpInformation = exitCodesHelp;
  program.addCommand(page, { hidden: true });
}
