/** Logs of long-running commands: lines of JSON on stderr. */
import { type Logger, pino } from "pino";
import { HedgeError } from "../errors.ts";

const LEVELS = ["debug", "info", "warn", "error"];

/** Throws a HedgeError (usage) for a level that is none. */
export function createLog(level: string, name: string): Logger {
  if (!LEVELS.includes(level)) {
    throw new HedgeError("usage", `${JSON.stringify(level)} is no log level.`, `Give one of ${LEVELS.join(", ")}.`);
  }
  // Written at once: the last lines before a crash are the ones that matter.
  return pino({ level, base: { name } }, pino.destination({ dest: 2, sync: true }));
}
