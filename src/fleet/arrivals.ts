/** When a device takes its samples. */
import { DeviceStreams, type Streams } from "./random.ts";
import type { ArrivalsSpec } from "./spec-group.ts";

export interface Arrivals {
  /** Milliseconds from the start; each behind the one before. */
  next(): number;
}

export function arrivalsOf(spec: ArrivalsSpec, streams: Streams, device: number): Arrivals {
  const stream = DeviceStreams.of(device, "arrivals");
  switch (spec.kind) {
    case "periodic":
      return new Periodic(spec, streams, stream);
    case "poisson":
      return new Poisson(spec.every, streams, stream);
    case "bursts":
      return new Bursts(spec, streams, stream);
  }
}

type Kind<Name> = Extract<ArrivalsSpec, { kind: Name }>;

class Periodic implements Arrivals {
  readonly #phase: number;
  #count = 0;

  constructor(
    private readonly spec: Kind<"periodic">,
    private readonly streams: Streams,
    private readonly stream: number,
  ) {
    this.#phase = spec.phase ?? streams.real(stream) * spec.every;
  }

  next(): number {
    const { every, jitter } = this.spec;
    const due = this.#phase + this.#count++ * every;
    return Math.max(0, due + this.streams.around(this.stream, jitter));
  }
}

class Poisson implements Arrivals {
  #last = 0;

  constructor(
    private readonly every: number,
    private readonly streams: Streams,
    private readonly stream: number,
  ) {}

  next(): number {
    this.#last += this.streams.exponential(this.stream, this.every);
    return this.#last;
  }
}

/** A Poisson process that a Markov chain of two states turns on and off. */
class Bursts implements Arrivals {
  #last: number;
  #end: number;

  constructor(
    private readonly spec: Kind<"bursts">,
    private readonly streams: Streams,
    private readonly stream: number,
  ) {
    const { on, off } = spec;
    // As if it had been running for ever.
    const within = streams.real(stream) < on / (on + off);
    this.#last = within ? 0 : streams.exponential(stream, off);
    this.#end = this.#last + streams.exponential(stream, on);
  }

  next(): number {
    const { every, on, off } = this.spec;
    this.#last += this.streams.exponential(this.stream, every);
    // Beyond a burst's end nothing was drawn: an exponential time knows no past.
    while (this.#last > this.#end) {
      const start = this.#end + this.streams.exponential(this.stream, off);
      this.#end = start + this.streams.exponential(this.stream, on);
      this.#last = start + this.streams.exponential(this.stream, every);
    }
    return this.#last;
  }
}
