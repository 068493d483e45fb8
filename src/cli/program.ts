/**
 * The commands, one file each. A command's file exports `register(program)`, and imports what is heavy inside its action, so that
 * help stays quick.
 */
import { Command } from "commander";
import { register as acl } from "./acl.ts";
import { register as analyze } from "./analyze.ts";
import { register as board } from "./board.ts";
import { register as boards } from "./boards.ts";
import { register as broker } from "./broker.ts";
import { register as bundles } from "./bundles.ts";
import { register as check } from "./check.ts";
import { register as compare } from "./compare.ts";
import { register as compile } from "./compile.ts";
import { register as data } from "./data.ts";
import { register as demo } from "./demo.ts";
import { register as evaluate } from "./eval.ts";
import { register as exitCodes } from "./exit-codes.ts";
import { register as flash } from "./flash.ts";
import { register as fleet } from "./fleet.ts";
import { register as gateway } from "./gateway.ts";
import { register as history } from "./history.ts";
import { register as inspect } from "./inspect.ts";
import { register as keys } from "./keys.ts";
import { register as monitor } from "./monitor.ts";
import { register as run } from "./run.ts";
import { register as schema } from "./schema.ts";
import { register as sign } from "./sign.ts";
import { register as trial } from "./trial.ts";
import { register as worker } from "./worker.ts";
import { register as zoo } from "./zoo.ts";

/** In the order in which help lists them. */
const COMMANDS: readonly ((program: Command) => void)[] = [
  compile,
  check,
  inspect,
  analyze,
  run,
  evaluate,
  compare,
  keys,
  sign,
  worker,
  bundles,
  gateway,
  monitor,
  broker,
  acl,
  history,
  demo,
  fleet,
  data,
  zoo,
  schema,
  flash,
  trial,
  board,
  boards,
  exitCodes,
];

export function createProgram(): Command {
  const program = new Command("hedge")
    .description(
      "Compiles hybrid neural networks for microcontrollers, runs them, and finishes unsure samples in the cloud.",
    )
    .version("0.1.0", "-V, --version", "print the version")
    .option("--json", "print results as JSON, for scripts")
    .option("-q, --quiet", "no progress and no logs below warnings")
    .helpOption("-h, --help", "explain a command")
    .helpCommand("help [command]", "explain a command, or `exit-codes`")
    .showSuggestionAfterError()
    .addHelpText("after", "\nExit codes: hedge help exit-codes");
  for (const register of COMMANDS) register(program);
  return program;
}
