/** Arguments that several commands take, checked while they are parsed. */
import { type Command, InvalidArgumentError } from "commander";
import { type ExitOption, type ImportOptions, type InputOption, parseExit, parseInput } from "../import/options.ts";

export const DEFAULT_BROKER = "mqtt://127.0.0.1:1883";

/** A parser of whole numbers from `min` to `max`. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A parser of numbers of at least 0. */
export function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0)) throw new InvalidArgumentError("Give a number of at least 0.");
  return value;
}

/** Options that say what a model's metadata may not. */
export interface ModelOptions {
  readonly cut?: string;
  readonly exit?: ExitOption;
  readonly input?: InputOption;
}

export function addModelOptions(command: Command): Command {
  return command
    .option("--cut <tensor>", "the tensor that an offloaded sample sends (default: the metadata's)")
    .option("--exit <exit>", "TENSOR:entropy:NATS, the exit's logits and rule (default: the metadata's)", parseExit)
    .option(
      "--input <zero:step>",
      "what the input's bytes stand for, such as 128:1/64 (default: what its quantiser says)",
      parseInput,
    );
}

export function importOptions({ cut, exit, input }: ModelOptions): ImportOptions {
  return { cut, exits: exit && [exit], input };
}
