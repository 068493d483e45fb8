/** Clocks that are not quite right. */
import { DeviceStreams, type Streams } from "./random.ts";
import type { ClockSpec } from "./spec-group.ts";

/** How wrong a device's clock is, by virtual time. */
export class DeviceClock {
  readonly #offset: number;
  readonly #drift: number;

  constructor(
    private readonly spec: ClockSpec,
    streams: Streams,
    device: number,
  ) {
    const stream = DeviceStreams.of(device, "clock");
    this.#offset = streams.around(stream, spec.offset);
    this.#drift = streams.around(stream, spec.drift);
  }

  /** What it shows `now`: milliseconds. */
  read(now: number): number {
    const { sync } = this.spec;
    const sinceSet = sync === undefined ? now : now % sync;
    return now + this.#offset + sinceSet * this.#drift;
  }
}
