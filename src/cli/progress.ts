/** Progress of what takes longer than two seconds, on stderr: a line that renews itself on a terminal, now and then a line elsewhere. */
import type { GlobalOptions } from "./output.ts";

/** Milliseconds before anything is shown. */
const PATIENCE = 2_000;
/** Milliseconds between renewals on a terminal, and between lines elsewhere. */
const RENEWAL = 100;
const LINE = 10_000;

export class Progress {
  #next = Date.now() + PATIENCE;
  #shown = false;
  readonly #terminal = process.stderr.isTTY === true;
  readonly #silent: boolean;

  constructor({ quiet, json }: GlobalOptions) {
    // A script that asked for JSON reads stdout; on a terminal its person still sees stderr.
    this.#silent = quiet || (json && process.stderr.isTTY !== true);
  }

  /** Shows "what done/total", at most ten times a second; a total of 0 shows `what` alone. */
  update(what: string, done = 0, total = 0): void {
    if (this.#silent || Date.now() < this.#next) return;
    this.#next = Date.now() + (this.#terminal ? RENEWAL : LINE);
    const text = total === 0 ? what : `${what} ${done}/${total}`;
    process.stderr.write(this.#terminal ? `\r\x1b[K${text}` : `${text}\n`);
    this.#shown = true;
  }

  /** Takes the line away again. */
  end(): void {
    if (this.#shown && this.#terminal) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
}

/** Shows the progress of some work; whether it ends or fails, nothing of it is left on the terminal. */
export async function withProgress<T>(options: GlobalOptions, work: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = new Progress(options);
  try {
    return await work(progress);
  } finally {
    progress.end();
  }
}
