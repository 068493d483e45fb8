/**
 * Errors that a user can act on. Anything else that is thrown is a bug in Hedge.
 */

import type { DiagnosticCode, Problem } from "./diagnostics.ts";

/** Exit codes of the command line; documented in `hedge help exit-codes`. */
export const EXIT_CODES = {
  /** A defect in Hedge. */
  internal: 1,
  /** Wrong arguments. */
  usage: 2,
  /** A model, bundle, key or other file is missing, damaged or not supported, or a device refuses it. */
  input: 3,
  /** A broker, worker or device cannot be reached. */
  network: 4,
  /** The command ran, but a check that it was asked to make failed. */
  check: 5,
} as const;
export type ErrorKind = keyof typeof EXIT_CODES;

export interface HedgeErrorOptions extends ErrorOptions {
  /** The row of the table of diagnostics; errors of a model have one. */
  readonly code?: DiagnosticCode | undefined;
  /** What the sentence sums up, where it is several things. */
  readonly problems?: readonly Problem[] | undefined;
}

/** One sentence that says what is wrong and where (file, node), and the remedy. */
export class HedgeError extends Error {
  readonly code: DiagnosticCode | undefined;
  readonly problems: readonly Problem[];

  constructor(
    readonly kind: ErrorKind,
    message: string,
    /** What to do about it: a sentence in the imperative. */
    readonly remedy: string,
    { code, problems = [], ...options }: HedgeErrorOptions = {},
  ) {
    super(message, options);
    this.name = "HedgeError";
    this.code = code;
    this.problems = problems;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}
