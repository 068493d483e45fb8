/** Who has which rights at a broker, as options. */
import type { Command } from "commander";
import type { RoleNames } from "../acl/rights.ts";

export interface RoleOptions {
  readonly worker?: string[];
  readonly operator?: string[];
  readonly recorder?: string[];
}

export function addRoleOptions(command: Command): Command {
  return command
    .option("--worker <names...>", "those who finish samples, by the names (CN) in their certificates")
    .option("--operator <names...>", "those who command devices, update them and see everything")
    .option(
      "--recorder <names...>",
      "those who record answers, events, status and dead letters (hedge history record)",
    );
}

export function roleNames({ worker = [], operator = [], recorder = [] }: RoleOptions): RoleNames {
  return { worker, operator, recorder };
}
