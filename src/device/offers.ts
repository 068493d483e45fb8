/**
 * Samples that wait for the cloud: each is offered until its result or its deadline, whichever comes first. Knows no MQTT.
 */

/** Delays in milliseconds: an offer without an answer is followed by the next after `first`, then twice that, up to `longest`. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/** What ended the wait: a result, or what made one pointless. */
export type Ending<Result> = { readonly result: Result } | { readonly result?: undefined };

interface Offer<Result> {
  readonly deadline: number;
  attempts: number;
  /** Whether the broker has the latest offer; the client sends it again by itself if not. */
  delivered: boolean;
  retry: NodeJS.Timeout | undefined;
  readonly expiry: NodeJS.Timeout;
  readonly settle: (ending: Ending<Result> & { attempts: number }) => void;
}

export class Offers<Result> {
  #open = new Map<number, Offer<Result>>();

  /** `send` publishes a sample and resolves once the broker has it, or returns undefined when there is no connection. */
  constructor(
    private readonly backoff: Backoff,
    private readonly send: (sample: number, attempt: number) => Promise<void> | undefined,
  ) {}

  get size(): number {
    return this.#open.size;
  }

  /** Offers the sample until `deadline` (milliseconds from the epoch). Always resolves; without a result at the deadline at the latest. */
  wait(sample: number, deadline: number): Promise<Ending<Result> & { attempts: number }> {
    return new Promise((settle) => {
      const expiry = setTimeout(() => this.#close(sample, {}), Math.max(0, deadline - Date.now()));
      this.#open.set(sample, { deadline, attempts: 0, delivered: false, retry: undefined, expiry, settle });
      this.#offer(sample);
    });
  }

  /** A result came; false when nobody waits for it any more. */
  settle(sample: number, result: Result): boolean {
    return this.#close(sample, { result });
  }

  /** The connection is back: what the broker acknowledged before may be lost with it. */
  again(): void {
    for (const [sample, offer] of this.#open) {
      if (offer.attempts === 0 || offer.delivered) {
        clearTimeout(offer.retry);
        this.#offer(sample);
      }
    }
  }

  giveUpAll(): void {
    for (const sample of [...this.#open.keys()]) this.#close(sample, {});
  }

  #close(sample: number, ending: Ending<Result>): boolean {
    const offer = this.#open.get(sample);
    if (offer === undefined) return false;
    this.#open.delete(sample);
    clearTimeout(offer.retry);
    clearTimeout(offer.expiry);
    offer.settle({ ...ending, attempts: offer.attempts });
    return true;
  }

  #offer(sample: number): void {
    const offer = this.#open.get(sample) as Offer<Result>;
    const sent = this.send(sample, offer.attempts + 1);
    if (sent !== undefined) {
      offer.attempts++;
      offer.delivered = false;
      sent.then(
        () => {
          offer.delivered = true;
        },
        () => undefined,
      );
    }
    const delay = Math.min(this.backoff.longest, this.backoff.first * 2 ** Math.max(0, offer.attempts - 1));
    // Spread over +-25 %, so that devices that lost the same broker do not all come back at once.
    offer.retry = setTimeout(() => this.#offer(sample), delay * (0.75 + Math.random() / 2));
  }
}
