/** Which samples a group's devices see: shards of its data, and how they drift. */
import type { LoadedGroup, SampleSet } from "./load.ts";
import { DeviceStreams, type Streams } from "./random.ts";
import { type DataSpec, DEFAULT_ALPHA, DEFAULT_CLASSES } from "./spec-group.ts";

/** Draws samples from a set. */
type Draw = (device: number) => number;

export class DataStream {
  readonly #before: Draw;
  /** What it drifts to. */
  readonly #after: Draw | undefined;

  constructor(
    private readonly group: LoadedGroup,
    private readonly streams: Streams,
  ) {
    this.#before = this.#drawFrom(group.samples);
    if (group.spec.data.drift !== undefined) this.#after = this.#drawFrom(group.driftSamples ?? group.samples);
  }

  /** @param device its place in the fleet @returns the place of a sample among its bundle's */
  draw(device: number, now: number): number {
    const { drift } = this.group.spec.data;
    if (drift === undefined || this.#after === undefined || now < drift.from) return this.#before(device);
    const { from, until = from } = drift;
    const done = now >= until || this.streams.real(DeviceStreams.of(device, "data")) < (now - from) / (until - from);
    return done ? this.#after(device) : this.#before(device);
  }

  #drawFrom(set: SampleSet): Draw {
    const { spec, firstDevice } = this.group;
    const { streams } = this;
    if (spec.data.shard === "iid") {
      return (device) => set.start + streams.below(DeviceStreams.of(device, "data"), set.count);
    }
    const classes = set.byClass.filter(({ length }) => length > 0);
    const mixes = classMixes(
      spec.data,
      spec.count,
      classes.length,
      (device) => DeviceStreams.of(firstDevice + device, "mix"),
      streams,
    );
    return (device) => {
      const stream = DeviceStreams.of(device, "data");
      const members =
        classes[pick(mixes, (device - firstDevice) * classes.length, classes.length, streams.real(stream))]!;
      return members[streams.below(stream, members.length)]!;
    };
  }
}

/** Each device's shares of the classes, summed up: one row after another. */
function classMixes(
  data: DataSpec,
  devices: number,
  classes: number,
  streamOf: (device: number) => number,
  streams: Streams,
): Float32Array {
  const mixes = new Float32Array(devices * classes);
  for (let device = 0; device < devices; device++) {
    const stream = streamOf(device);
    const weights =
      data.shard === "by-class"
        ? someClasses(streams, stream, classes, data.classes ?? DEFAULT_CLASSES)
        : Array.from({ length: classes }, () => streams.gamma(stream, data.alpha ?? DEFAULT_ALPHA));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    for (const [i, weight] of weights.entries()) {
      sum += weight;
      mixes[device * classes + i] = sum / total;
    }
  }
  return mixes;
}

/** Weights of 1 for so many classes at random, 0 for the others. */
function someClasses(streams: Streams, stream: number, classes: number, count: number): number[] {
  const weights = new Array<number>(classes).fill(0);
  for (let left = count, i = 0; left > 0; i++) {
    if (streams.below(stream, classes - i) >= left) continue;
    weights[i] = 1;
    left--;
  }
  return weights;
}

function pick(sums: Float32Array, start: number, count: number, at: number): number {
  let i = 0;
  while (i < count - 1 && at >= sums[start + i]!) i++;
  return i;
}
