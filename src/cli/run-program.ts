/** Runs the program to its exit code: every way of failing ends here, as a sentence and its remedy. */
import { type Command, CommanderError } from "commander";
import { EXIT_CODES, HedgeError } from "../errors.ts";
import { reportError } from "./output.ts";

/** Resolves to the exit code; writes errors to stderr, as JSON when `--json` is among the arguments. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  const json = argv.includes("--json");
  for (const command of family(program)) {
    // The sentence is written below, in our form.
    command.exitOverride().configureOutput({ outputError: () => undefined });
  }
  // `hedge ... | head` closes the pipe early: no reason to complain.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end with code 0; help for want of a command was asked for by nobody.
      if (error.exitCode === 0) return 0;
      if (error.code === "commander.help") return EXIT_CODES.usage;
      const sentence = error.message.replace(/^error: /, "").replace(/\n.*$/s, "");
      const suggestion = /\(Did you mean .*\)/.exec(error.message)?.[0];
      const remedy = suggestion ? `${suggestion.slice(1, -1)}` : "See hedge --help, or hedge help COMMAND.";
      reportError(new HedgeError("usage", capital(sentence), remedy), json);
      return EXIT_CODES.usage;
    }
    reportError(error, json);
    return error instanceof HedgeError ? error.exitCode : EXIT_CODES.internal;
  }
}

/** A command and what is below it. */
function family(command: Command): Command[] {
  return [command, ...command.commands.flatMap(family)];
}

function capital(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}
