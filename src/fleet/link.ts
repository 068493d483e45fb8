/** A device's way to the broker and back: latency, bandwidth, loss, and times without a connection. */
import type { Outage, Outages } from "./outages.ts";
import { DeviceStreams, type Streams } from "./random.ts";
import type { LinkSpec } from "./spec-group.ts";

/** Clients try to come back every so many milliseconds (src/wire/connection.ts). */
const RECONNECT_PERIOD = 500;

const NONE: readonly Cursor[] = [];

export type Way = "up" | "down";

export class Link {
  /** When the line is free again: a frame waits for those before it. */
  #upFree = 0;
  #downFree = 0;
  readonly #cursors: readonly Cursor[];
  readonly #stream: number;

  /** @param outages the device's own and the broker's */
  constructor(
    private readonly spec: LinkSpec,
    private readonly streams: Streams,
    device: number,
    outages: readonly Outages[],
  ) {
    this.#stream = DeviceStreams.of(device, "link");
    const reconnect = DeviceStreams.of(device, "outages");
    this.#cursors =
      outages.length === 0
        ? NONE
        : outages.map((each) => new Cursor(each, () => RECONNECT_PERIOD * streams.real(reconnect)));
  }

  connected(now: number): boolean {
    return this.#cursors.every((cursor) => now < cursor.next(now).from);
  }

  /** When the connection is back that is or will be lost next; Infinity where it is never lost. */
  comesBack(now: number): number {
    let first: Outage | undefined;
    for (const cursor of this.#cursors) {
      const outage = cursor.next(now);
      if (first === undefined || outage.from < first.from) first = outage;
    }
    return first?.to ?? Number.POSITIVE_INFINITY;
  }

  /** When a frame arrives that is sent now; undefined where it is lost. What is on its way when the connection goes is lost too. */
  send(way: Way, now: number, bytes: number): number | undefined {
    const { latency, jitter, bandwidth, loss } = this.spec;
    let sent = now;
    if (bandwidth !== undefined) {
      sent = Math.max(now, way === "up" ? this.#upFree : this.#downFree) + (bytes * 8e3) / bandwidth[way];
      if (way === "up") this.#upFree = sent;
      else this.#downFree = sent;
    }
    const arrives = sent + latency + (jitter === 0 ? 0 : jitter * this.streams.real(this.#stream));
    const lost = loss > 0 && this.streams.real(this.#stream) < loss;
    if (lost || this.#cursors.some((cursor) => arrives > cursor.next(now).from)) return undefined;
    return arrives;
  }
}

/** Goes through outages as time does. */
class Cursor {
  #place = 0;
  #current: Outage;

  constructor(
    private readonly outages: Outages,
    private readonly reconnect: () => number,
  ) {
    this.#current = this.#longer(outages.at(0));
  }

  /** The outage that is, or the next one; it ends when the device has noticed that it is over. */
  next(now: number): Outage {
    while (now >= this.#current.to) this.#current = this.#longer(this.outages.at(++this.#place));
    return this.#current;
  }

  #longer({ from, to }: Outage): Outage {
    return to === Number.POSITIVE_INFINITY ? { from, to } : { from, to: to + this.reconnect() };
  }
}
