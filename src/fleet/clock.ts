/** Clocks that are not quite right. */
import { DeviceStreams, type Streams } from "./random.ts";
import type { ClockSpec } from "./spec-group.ts";

/** What a device's clock shows: milliseconds, by virtual time. */
export type Clock = (now: number) => number;

const RIGHT: Clock = (now) => now;

export function clockOf({ offset, drift, sync }: ClockSpec, streams: Streams, device: number): Clock {
  if (offset === 0 && drift === 0) return RIGHT;
  const stream = DeviceStreams.of(device, "clock");
  const [wrong, slope] = [streams.around(stream, offset), streams.around(stream, drift)];
  return (now) => now + wrong + (sync === undefined ? now : now % sync) * slope;
}
