/**
 * Who runs the devices' modules. A fleet's devices share compiled code; each has a memory image of its own, which is put in place before
 * its module runs. Modules are exact, so that which thread runs a sample, and when, changes no byte.
 */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Bundle } from "../bundle/bundle.ts";
import type { EdgeResult, EngineKind } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import { ComputeThread, type Request } from "./compute-pool.ts";
import type { ShardModel } from "./shard.ts";

/** One sample on one device. */
export interface EdgeJob {
  /** Place of the device in the fleet, from 0; its memory image goes with it. */
  readonly device: number;
  /** Place of its bundle among the fleet's. */
  readonly bundle: number;
  /** Exit threshold in nats. */
  readonly threshold: number;
  /** Place of the sample in the bundle's data set. */
  readonly sample: number;
}

export interface Compute {
  readonly kind: EngineKind;
  /** Resolves in any order. */
  run(job: EdgeJob): Promise<EdgeResult>;
  /** The cloud part's label for a payload of that bundle, on onnxruntime. */
  finish(bundle: number, payload: Uint8Array): Promise<number>;
  /** The device started again: its memory is as after a reset. */
  reset(device: number): void;
  /** Samples that were run on an engine so far. */
  readonly inferences: number;
  /** Bytes of the devices' memory images: of those that ran a sample since they started. */
  imageBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface ComputeOptions {
  readonly kind: EngineKind;
  readonly bundles: readonly Bundle[];
  /** Of each bundle the samples that its devices see, as its module takes them. */
  readonly samples: readonly (readonly Int8Array[])[];
  /** How many there are; none takes memory before it runs a sample. */
  readonly devices: number;
  /** Default: one per core. */
  readonly threads?: number | undefined;
  /** A sample that devices of one bundle and threshold share is run once, on the device that has it first. Default: each runs its own. */
  readonly once?: boolean | undefined;
  /** What a thread runs; for tests, which run on sources that are not compiled. */
  readonly script?: URL;
}

/**
 * Starts the threads.
 * @throws HedgeError: input for a bundle that cannot be run or samples that do not fit it, usage for one that the engine does not take
 */
export async function openCompute(options: ComputeOptions): Promise<Compute> {
  const { kind, devices, threads = availableParallelism() } = options;
  const { script = new URL("./compute-thread.js", import.meta.url) } = options;
  const models = options.bundles.map((bundle, i) => ({ bundle, samples: shareSamples(bundle, options.samples[i]!) }));
  const count = Math.max(1, Math.min(threads, devices));
  const data = { kind, models, devices: Math.ceil(devices / count) };
  const starting = Array.from({ length: count }, () => ComputeThread.start(script, data));
  const started = await Promise.allSettled(starting);
  const failed = started.find((start) => start.status === "rejected");
  const running = started.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  if (failed) {
    await Promise.all(running.map((thread) => thread.close()));
    throw failed.reason;
  }
  return new ThreadedCompute(kind, options.once ?? false, models, running);
}

/** The samples of a bundle one behind the other, for all threads. */
function shareSamples({ manifest }: Bundle, samples: readonly Int8Array[]): SharedArrayBuffer {
  const { inputBytes } = manifest.module;
  const shared = new SharedArrayBuffer(samples.length * inputBytes);
  const bytes = new Int8Array(shared);
  for (const [i, sample] of samples.entries()) {
    if (sample.length !== inputBytes)
      throw new HedgeError(
        "input",
        `Sample ${i} has ${sample.length} bytes; ${manifest.name} takes ${inputBytes}.`,
        `Give samples of the shape ${manifest.input.shape.join("x")}.`,
      );
    bytes.set(sample, i * inputBytes);
  }
  return shared;
}

class ThreadedCompute implements Compute {
  inferences = 0;
  /** Of what was run once: by bundle, threshold and sample. */
  readonly #outcomes = new Map<string, Promise<EdgeResult>>();
  /** By bundle and payload; there are no more than samples, for modules are exact. */
  readonly #labels = new Map<string, Promise<number>>();
  #turn = 0;

  constructor(
    readonly kind: EngineKind,
    private readonly once: boolean,
    private readonly models: readonly ShardModel[],
    private readonly threads: readonly ComputeThread[],
  ) {}

  run(job: EdgeJob): Promise<EdgeResult> {
    if (!this.once) return this.#run(job);
    const { bundle, threshold, sample } = job;
    return remembered(this.#outcomes, `${bundle} ${threshold} ${sample}`, () => this.#run(job));
  }

  finish(bundle: number, payload: Uint8Array): Promise<number> {
    const key = `${bundle} ${createHash("sha256").update(payload).digest("base64")}`;
    return remembered(this.#labels, key, async () => {
      const thread = this.threads[this.#turn++ % this.threads.length]!;
      return (await thread.ask({ what: "finish", model: bundle, payload })) as number;
    });
  }

  reset(device: number): void {
    // A thread that ended says so to whoever runs a sample on it.
    this.#ask(device, { what: "reset", device: this.#place(device) }).catch(() => undefined);
  }

  async imageBytes(): Promise<number> {
    const parts = await Promise.all(this.threads.map((thread) => thread.ask({ what: "imageBytes" })));
    return (parts as number[]).reduce((total, part) => total + part, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  async #run({ device, bundle, threshold, sample }: EdgeJob): Promise<EdgeResult> {
    try {
      const request = { what: "run", device: this.#place(device), model: bundle, threshold, sample } as const;
      const outcome = (await this.#ask(device, request)) as EdgeResult;
      this.inferences++;
      return outcome;
    } catch (cause) {
      if (!(cause instanceof HedgeError) || cause.kind !== "input") throw cause;
      const { digest } = this.models[bundle]!.bundle;
      const message = `Device ${device}, sample ${sample}, bundle ${digest.slice(0, 12)}: ${cause.message}`;
      throw new HedgeError(cause.kind, message, cause.remedy, { cause });
    }
  }

  /** Devices are dealt to the threads in turn. */
  #ask(device: number, request: Request): Promise<unknown> {
    return this.threads[device % this.threads.length]!.ask(request);
  }

  #place(device: number): number {
    return Math.floor(device / this.threads.length);
  }
}

/** The promise of that key; one that fails is not kept. */
function remembered<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const there = known.get(key);
  if (there) return there;
  const made = make();
  known.set(key, made);
  made.catch(() => known.delete(key));
  return made;
}
