/** Times at which something is not there: listed, or drawn as they are needed. */
import type { OutagesSpec } from "./spec-parts.ts";

/** Milliseconds; `from` is Infinity where there is no further one. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

const NEVER: Outage = { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** Draws an exponentially distributed time. */
export type DrawTime = (mean: number) => number;

/** The outages one after another; who looks in keeps its own place, so that many can share them. */
export class Outages {
  readonly #drawn: Outage[] = [];

  constructor(
    private readonly spec: OutagesSpec | undefined,
    private readonly draw: DrawTime,
  ) {}

  /** Whether there can be any. */
  get any(): boolean {
    return this.spec !== undefined;
  }

  /** The `place`-th. */
  at(place: number): Outage {
    const { spec } = this;
    if (spec === undefined) return NEVER;
    if (Array.isArray(spec)) {
      const listed = spec[place];
      return listed === undefined ? NEVER : { from: listed.at, to: listed.at + listed.last };
    }
    while (this.#drawn.length <= place) {
      const from = (this.#drawn.at(-1)?.to ?? 0) + this.draw(spec.every);
      this.#drawn.push({ from, to: from + this.draw(spec.last) });
    }
    return this.#drawn[place]!;
  }
}
