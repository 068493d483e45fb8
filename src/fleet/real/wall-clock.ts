/** Time of a run that passes as it does: milliseconds since its start. */

/** A timer of Node's takes no longer time. */
const LONGEST = 2 ** 31 - 1;

export class WallClock {
  readonly #timers = new Set<NodeJS.Timeout>();
  #started = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** Time 0 is now; until then it is, too. */
  start(): void {
    this.#started = performance.now();
  }

  get now(): number {
    return Math.max(0, performance.now() - this.#started);
  }

  /** Does it then, unless the clock is stopped or `signal` says otherwise before; soon where that time has passed. */
  at(time: number, action: () => void, signal?: AbortSignal): void {
    if (this.#stopped || signal?.aborted) return;
    const cancel = () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
      signal?.removeEventListener("abort", cancel);
    };
    const due = () => {
      cancel();
      if (this.now < time) this.at(time, action, signal);
      else action();
    };
    const timer = setTimeout(due, Math.min(Math.max(0, Math.ceil(time - this.now)), LONGEST));
    this.#timers.add(timer);
    signal?.addEventListener("abort", cancel);
  }

  /** Nothing that was to happen happens any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
