/** Memory of workers over time. */
import type { Span } from "./load-log.ts";
import type { WorkerTier } from "./tier.ts";

/** Milliseconds between looks. */
const INTERVAL = 500;

export class MemoryWatch {
  #looks: { readonly at: number; readonly rss: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(tier: WorkerTier) {
    this.#timer = setInterval(() => {
      tier.use().then(({ rss }) => this.#looks.push({ at: Date.now(), rss }));
    }, INTERVAL);
  }

  /** The most bytes within a span; 0 if nobody looked. */
  peak({ from, to }: Span): number {
    return Math.max(0, ...this.#looks.filter(({ at }) => at >= from && at < to).map(({ rss }) => rss));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
