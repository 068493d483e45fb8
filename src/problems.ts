/** Several things that keep a model from compiling, as one error. */
import type { Problem } from "./diagnostics.ts";
import { HedgeError } from "./errors.ts";

/** More are counted, not listed. */
const MAX_LISTED = 20;

/**
 * @param summary what they are, for people: ends with a colon, and the list follows
 * @param remedy what to do about all of them
 */
export function problemsError(summary: string, problems: readonly Problem[], remedy: string): HedgeError {
  const listed = problems
    .slice(0, MAX_LISTED)
    .map((problem) => `  ${problem.code} ${problem.message} ${problem.remedy}`);
  if (problems.length > MAX_LISTED) listed.push(`  and ${problems.length - MAX_LISTED} more`);
  return new HedgeError("input", `${summary}\n${listed.join("\n")}`, remedy, { problems });
}

/** What an error of a model says, as problems. */
export function problemsOf(error: HedgeError): readonly Problem[] {
  if (error.problems.length > 0 || error.code === undefined) return error.problems;
  return [{ code: error.code, message: error.message, remedy: error.remedy }];
}
