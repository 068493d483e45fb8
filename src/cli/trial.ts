/** `hedge trial`: the last word on a model that a device tries. */
import type { Command } from "commander";
import { HedgeError } from "../errors.ts";
import { addBrokerOptions, type BrokerOptions } from "./broker-options.ts";
import { deviceTarget } from "./device-target.ts";
import { globalOptions, printResult } from "./output.ts";

interface TrialOptions extends BrokerOptions {
  readonly board?: string;
  readonly state?: string;
  readonly link?: string;
  readonly device?: string;
}

const VERDICTS = {
  confirm: {
    summary: "keep the model on trial",
    description: "Confirms the model that a device tries: from now on it starts with that one.",
    done: "keeps the model",
  },
  revert: {
    summary: "give the model on trial up",
    description: "Gives the model that a device tries up: it starts again, with the one before.",
    done: "goes back to the model before",
  },
} as const;
type Verdict = keyof typeof VERDICTS;

export function register(program: Command): void {
  const trial = program
    .command("trial")
    .summary("confirm or give up a model on trial")
    .description("Says of a model that hedge flash left on trial (--no-confirm, --trial) whether it is good.");
  for (const verdict of Object.keys(VERDICTS) as Verdict[]) registerVerdict(trial, verdict);
}

function registerVerdict(trial: Command, verdict: Verdict): void {
  const { summary, description, done } = VERDICTS[verdict];
  const command = trial
    .command(verdict)
    .summary(summary)
    .description(description)
    .option("--board <name>", "a board that hedge board run started, by its id")
    .option("--state <folder>", "its state folder (default: .hedge/NAME)")
    .option("--link <address>", "a device on a line: serial:/dev/ttyACM0, tcp:host:port or unix:path")
    .option("-d, --device <id>", "a device at the broker");
  addBrokerOptions(command)
    .addHelpText("after", `\nExample:\n  hedge trial ${verdict} --board porch`)
    .action(async (options: TrialOptions, command: Command) => {
      const { openRemote } = await import("../remote/target.ts");
      const device = await openRemote(await deviceTarget(options));
      try {
        const { model } = await device.describe();
        const { name } = device;
        if (!model?.trial) {
          const remedy = "It may have been confirmed or given up already: see hedge monitor.";
          throw new HedgeError("input", `${name} has no model on trial.`, remedy);
        }
        await device[verdict]();
        const result = { device: name, verdict, model: model.name, counter: model.counter };
        printResult(globalOptions(command), result, () => `${name} ${done}`);
      } finally {
        await device.close();
      }
    });
}
