/** Several things that keep a model from compiling, as one error. */
import type { DiagnosticCode, Problem } from "./diagnostics.ts";
import { HedgeError } from "./errors.ts";

/** More are counted, not listed. */
const MAX_LISTED = 20;

/** One line each, with number and remedy. */
export function problemLines(problems: readonly Problem[]): string {
  const lines = problems.slice(0, MAX_LISTED).map(({ code, message, remedy }) => `  ${code} ${message} ${remedy}`);
  if (problems.length > MAX_LISTED) lines.push(`  and ${problems.length - MAX_LISTED} more`);
  return lines.join("\n");
}

/** The number of all of them, if they have the same. */
export function commonCode(problems: readonly Problem[]): DiagnosticCode | undefined {
  const codes = new Set(problems.map(({ code }) => code));
  return codes.size === 1 ? problems[0]!.code : undefined;
}

/**
 * @param summary what they are, for people: ends with a colon, and the list follows
 * @param remedy what to do about all of them
 */
export function problemsError(summary: string, problems: readonly Problem[], remedy: string): HedgeError {
  const code = commonCode(problems);
  return new HedgeError("input", `${summary}\n${problemLines(problems)}`, remedy, { code, problems });
}

/** What an error of a model says, as problems. */
export function problemsOf(error: HedgeError): readonly Problem[] {
  if (error.problems.length > 0 || error.code === undefined) return error.problems;
  return [{ code: error.code, message: error.message, remedy: error.remedy }];
}

/** What `stage` comes to; undefined where it is refused, and the refusal in `refused`. */
export function refusedInto<T>(refused: HedgeError[], stage: () => T): T | undefined {
  try {
    return stage();
  } catch (error) {
    if (!(error instanceof HedgeError) || error.kind === "usage") throw error;
    refused.push(error);
    return undefined;
  }
}

/** The only one of several errors, or one that lists them. */
export function joined(summary: string, errors: readonly HedgeError[]): HedgeError {
  if (errors.length === 1) return errors[0]!;
  return problemsError(summary, errors.flatMap(problemsOf), "Change them and export the model again.");
}
