/**
 * Devices without a model: each offloads samples that were computed before, and notes how they end. Samples arrive whether or not earlier
 * ones have their answers (an open loop), at random moments.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { requireHybrid } from "../../bundle/manifest.ts";
import { readBundle } from "../../bundle/read.ts";
import { type Answer, DeviceClient } from "../../device/client.ts";
import { randomFrom } from "../../zoo/random.ts";
import { ENDS, type End, type LoadLog } from "./load-log.ts";
import type { LoadSample } from "./load-samples.ts";
import { inputOf, replay } from "./replay.ts";
import { ResultTap } from "./result-tap.ts";

export interface LoadOptions {
  readonly broker: string;
  /** Of the bundle whose samples these are. */
  readonly folder: string;
  readonly samples: readonly LoadSample[];
  /** Devices are called by it and a number. */
  readonly name: string;
  readonly devices: number;
  /** Milliseconds until a sample counts as unanswered. */
  readonly deadline: number;
  /** Of each device; further samples wait in it. Default 8, as a device has. */
  readonly maxInFlight?: number;
}

/** Samples per second of all devices together, or as many as they take. */
export type Pace = number | "full";

export interface LoadCounts {
  readonly offered: number;
  readonly ended: number;
}

/** Connections that are opened at the same time. */
const CONNECTING = 16;
/** Milliseconds between looks at how many samples are due. */
const TICK = 2;

export class Load {
  #offered = 0;
  #at: number[] = [];
  #ms: number[] = [];
  #ends: number[] = [];
  /** Device and number of samples without an answer. */
  #unanswered: (readonly [device: string, sample: number])[] = [];
  #taken: number[];
  #open = new Set<Promise<void>>();
  #pacing: NodeJS.Timeout | undefined;
  #full: Promise<unknown> = Promise.resolve();
  #pace: Pace = 0;
  readonly #delay = monitorEventLoopDelay({ resolution: 5 });

  private constructor(
    private readonly options: LoadOptions,
    private readonly devices: readonly DeviceClient[],
    private readonly tap: ResultTap,
  ) {
    this.#taken = devices.map(() => 0);
    this.#delay.enable();
  }

  /** Connects all devices. @throws HedgeErrors: input (the bundle), network */
  static async open(options: LoadOptions): Promise<Load> {
    const { broker, folder, samples, name, deadline, maxInFlight } = options;
    const { manifest, digest } = await readBundle(folder);
    const ids = Array.from({ length: options.devices }, (_, i) => `${name}-${i}`);
    const connect = (id: string) => {
      const engine = replay(requireHybrid(manifest), samples);
      return DeviceClient.connect({ id, broker, engine, digest, deadline, maxInFlight });
    };
    const devices: DeviceClient[] = [];
    for (let i = 0; i < ids.length; i += CONNECTING)
      devices.push(...(await Promise.all(ids.slice(i, i + CONNECTING).map(connect))));
    return new Load(options, devices, await ResultTap.open(broker, `${name}-tap`, ids));
  }

  get counts(): LoadCounts {
    return { offered: this.#offered, ended: this.#at.length };
  }

  /** Takes effect at once; 0 pauses. */
  async pace(pace: Pace): Promise<void> {
    clearInterval(this.#pacing);
    this.#pace = 0;
    await this.#full;
    this.#pace = pace;
    if (pace === "full") this.#full = Promise.all(this.devices.map((_, k) => this.#run(k)));
    else if (pace > 0) this.#pacing = this.#arrivals(pace);
  }

  /** Stops the samples, and waits until each has ended, by its answer or at its deadline. */
  async settle(): Promise<void> {
    await this.pace(0);
    await Promise.all(this.#open);
  }

  /** Settles, and says goodbye to the broker. */
  async finish(): Promise<LoadLog> {
    await this.settle();
    this.#delay.disable();
    const { tap } = this;
    await Promise.all([tap.close(), ...this.devices.map((device) => device.close())]);
    const sum = (of: "offered" | "duplicates") => this.devices.reduce((total, { counts }) => total + counts[of], 0);
    return {
      at: Float64Array.from(this.#at),
      ms: Float64Array.from(this.#ms),
      ends: Uint8Array.from(this.#ends),
      offered: this.#offered,
      frames: sum("offered"),
      repeats: sum("duplicates"),
      conflicts: tap.conflicts,
      told: this.#unanswered.filter(([device, sample]) => tap.told(device, sample) !== undefined).length,
      lag: this.#delay.percentile(99) / 1e6,
    };
  }

  /** A Poisson process, the same whenever it begins, so that spans of one pace can be compared. */
  #arrivals(pace: number): NodeJS.Timeout {
    const random = randomFrom(1);
    let due = Date.now();
    return setInterval(() => {
      const now = Date.now();
      while (due <= now) {
        due += exponential(random(), 1_000 / pace);
        const device = Math.floor(random() * this.devices.length);
        const submitted = this.#submit(device);
        this.#open.add(submitted);
        submitted.finally(() => this.#open.delete(submitted));
      }
    }, TICK);
  }

  /** One device, as fast as it takes samples. */
  async #run(device: number): Promise<void> {
    while (this.#pace === "full") {
      await new Promise<void>((taken) => {
        const submitted = this.#submit(device, taken);
        this.#open.add(submitted);
        submitted.finally(() => this.#open.delete(submitted));
      });
    }
  }

  async #submit(index: number, taken?: () => void): Promise<void> {
    const device = this.devices[index] as DeviceClient;
    const { samples } = this.options;
    const at = performance.now();
    const choice = this.#offered++ % samples.length;
    // Devices take samples in order, and number them so.
    const sample = this.#taken[index]!++;
    const { answer } = await device.submit(inputOf(choice));
    taken?.();
    const end = endOf(await answer, samples[choice] as LoadSample);
    this.#at.push(performance.timeOrigin + at);
    this.#ms.push(performance.now() - at);
    this.#ends.push(ENDS.indexOf(end));
    if (end === "unanswered") this.#unanswered.push([`${this.options.name}-${index}`, sample]);
  }
}

/** The time to the next arrival, of that mean, from a number in [0, 1). */
function exponential(random: number, mean: number): number {
  return -mean * Math.log(1 - random);
}

function endOf({ confirmed, label }: Answer, sample: LoadSample): End {
  if (!confirmed) return "unanswered";
  return label === sample.label ? "right" : "wrong";
}
