/** A bench as a command: its lines to stdout, what it is at to stderr, and an exit code. */
import { constants } from "node:os";
import { Progress } from "../../dist/cli/progress.js";
import { EXIT_CODES, HedgeError } from "../../dist/errors.js";

/**
 * @param bench takes `print` for its lines and `report` for its progress; resolves to what does not hold, if it checks anything
 * @returns {Promise<void>}
 */
export async function runBench(bench) {
  const progress = new Progress({ quiet: false, json: false });
  const print = (line) => {
    progress.end();
    console.log(line);
  };
  // With an exit, so that brokers and databases end with it.
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      progress.end();
      process.exit(128 + constants.signals[signal]);
    });
  }
  try {
    const failed = (await bench({ print, report: (what, done, total) => progress.update(what, done, total) })) ?? [];
    progress.end();
    for (const what of failed) console.error(`failed: ${what}`);
    if (failed.length > 0) process.exitCode = EXIT_CODES.check;
  } catch (error) {
    progress.end();
    if (!(error instanceof HedgeError)) throw error;
    console.error(`${error.message}\n${error.remedy}`);
    process.exitCode = error.exitCode;
  }
}
