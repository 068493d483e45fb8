/**
 * The models that a worker can finish, by the digests of their bundles: those given at the start, and those that it finds in a bundle store when
 * a sample asks for them.
 */
import { performance } from "node:perf_hooks";
import type { Bundle } from "../bundle/bundle.ts";
import { requireHybrid } from "../bundle/manifest.ts";
import { HedgeError } from "../errors.ts";
import { Batcher } from "./batcher.ts";
import type { BundleStore } from "./bundle-store.ts";
import { type BatchSizes, findBatchSizes } from "./invariance.ts";
import type { CloudModel, MemberLimits } from "./member.ts";
import type { ModelEvent, Observer } from "./observer.ts";
import { Recent } from "./recent.ts";

export interface ModelLimits {
  /** Models at a time. */
  readonly models: number;
  /** Bytes of their cloud parts. */
  readonly bytes: number;
}

export const DEFAULT_LIMITS: ModelLimits = { models: 16, bytes: 1 << 30 };

export interface ModelsOptions {
  /** Served from the start, and never let go. */
  readonly bundles?: readonly Bundle[];
  /** Where other models are looked for. */
  readonly store?: BundleStore | undefined;
  /** Default: 16 models, 1 GiB. */
  readonly limits?: ModelLimits;
  /** Most samples of a batch. Default 32. */
  readonly maxBatch?: number;
  /** Milliseconds that a sample may be held back for others to fill its batch. Default 0. */
  readonly maxDelay?: number;
  /** Processes that run batches at a time; one more stands by. */
  readonly processes: number;
  /** Of a process: 30 s for a run, 4 GiB. */
  readonly member?: MemberLimits;
  readonly observer?: Observer;
}

export const MAX_BATCH = 32;
export const MEMBER_LIMITS: MemberLimits = { runTime: 30_000, memory: 4 * 2 ** 30 };

/** Digests remembered as found nowhere, or damaged; and for how many milliseconds. */
const MISSES = 10_000;
const MISS_TIME = 30_000;
/** The same where the store could not be asked. */
const AWAY_TIME = 5_000;
/**
 * Bundles that are fetched at a time, and digests that may wait for it: far fewer than the samples that a worker takes, so that a store which is
 * silent, and digests that are made up, leave room for those whose model is here.
 */
const LOADS = 2;
const WAITING_LOADS = 16;

/** A model that can be run. */
export interface Model extends CloudModel {
  readonly classes: number;
  readonly sizes: BatchSizes;
  /** Given at the start. */
  readonly kept: boolean;
}

/** What /status and metrics show of a model. */
export interface ModelStatus {
  readonly digest: string;
  readonly name: string;
  /** Of its cloud part. */
  readonly bytes: number;
  /** Most samples of a batch. */
  readonly maxBatch: number;
  /** Why that is not what was asked for, or smaller batches are filled up; empty otherwise. */
  readonly note: string;
  readonly waiting: number;
  /** For how long the first of them has waited. */
  readonly oldestMs: number;
}

export interface ModelsStatus {
  readonly models: ModelStatus[];
  /** `alive`: also the one that stands by. `deaths`: since the start. */
  readonly processes: { readonly alive: number; readonly deaths: number };
}

/** There is no such model. */
class Unavailable extends HedgeError {
  constructor(sentence: string) {
    super("input", sentence, "Give the worker the bundle that the device has.");
  }
}

/** Whether there is one was not found out. */
class Busy extends Unavailable {}

interface Miss {
  readonly until: number;
  readonly sentence: string;
}

export class Models {
  /** In the order of their last use. */
  readonly #models = new Map<string, Model>();
  readonly #loading = new Map<string, Promise<Model>>();
  readonly #misses = new Recent<Miss>(MISSES);
  #turns: (() => void)[] = [];
  #fetching = 0;
  #ids = 0;

  private constructor(
    private readonly batcher: Batcher,
    private readonly options: ModelsOptions,
  ) {}

  /** Throws HedgeErrors: usage when there is neither bundle nor store, input for a bundle without a cloud part or one that does not run. */
  static async open(options: ModelsOptions): Promise<Models> {
    const { bundles = [], store, processes, maxDelay = 0, member = MEMBER_LIMITS, observer = {} } = options;
    for (const { manifest } of bundles) requireHybrid(manifest);
    if (bundles.length === 0 && store === undefined) {
      throw new HedgeError(
        "usage",
        "The worker has no bundle to serve.",
        "Name at least one, or a bundle store with --store.",
      );
    }
    const models = new Models(await Batcher.open({ processes, maxDelay, limits: member, observer }), options);
    try {
      for (const bundle of bundles) {
        if (models.#models.has(bundle.digest)) continue;
        await models.batcher.preload(await models.#admit(bundle, true));
      }
    } catch (error) {
      await models.close();
      throw error;
    }
    return models;
  }

  /** The model, if it is loaded. */
  get(digest: string): Model | undefined {
    const model = this.#models.get(digest);
    if (model !== undefined) {
      this.#models.delete(digest);
      this.#models.set(digest, model);
    }
    return model;
  }

  /** The model, loaded from the store if need be. Rejects with a HedgeError that says why there is none. */
  find(digest: string): Promise<Model> {
    const model = this.get(digest);
    if (model !== undefined) return Promise.resolve(model);
    const miss = this.#misses.get(digest);
    if (miss !== undefined && miss.until > performance.now()) return Promise.reject(new Unavailable(miss.sentence));
    let loading = this.#loading.get(digest);
    if (loading === undefined) {
      loading = this.#load(digest).finally(() => this.#loading.delete(digest));
      this.#loading.set(digest, loading);
    }
    return loading;
  }

  /** As `Batcher.infer`. */
  infer(model: Model, payload: Uint8Array, deadline: number, device: string): Promise<Float32Array | undefined> {
    return this.batcher.infer(model, payload, deadline, device);
  }

  status(): ModelsStatus {
    const { queues, processes } = this.batcher.status();
    const models = [...this.#models.values()].map(({ id, digest, name, onnx, sizes }) => {
      const { waiting, oldestMs } = queues.get(id) ?? { waiting: 0, oldestMs: 0 };
      return { digest, name, bytes: onnx.length, maxBatch: sizes.most, note: sizes.note, waiting, oldestMs };
    });
    return { models, processes };
  }

  /** Ends the processes; what is not done is rejected. */
  close(): Promise<void> {
    return this.batcher.close();
  }

  async #load(digest: string): Promise<Model> {
    const { store } = this.options;
    const short = digest.slice(0, 12);
    if (store === undefined)
      throw new Unavailable(`This worker has no model ${short}: start it with the device's bundle.`);
    const began = performance.now();
    let name = "";
    try {
      const bundle = await this.#inTurn(() => store.read(digest));
      if (bundle === undefined) {
        throw new Unavailable(`The bundle store has no model ${short}: put the device's bundle into it.`);
      }
      name = bundle.manifest.name;
      return await this.#admit(bundle, false);
    } catch (error) {
      if (error instanceof Busy) throw error;
      const sentence = error instanceof HedgeError ? error.message : `The model ${short} cannot be loaded: ${error}.`;
      const away = error instanceof HedgeError && error.kind === "network";
      this.#misses.set(digest, { until: performance.now() + (away ? AWAY_TIME : MISS_TIME), sentence });
      // Devices may make digests up; that a bundle does not load is news.
      if (!(error instanceof Unavailable)) this.#tell({ digest, name }, "failed", performance.now() - began, sentence);
      throw new Unavailable(sentence);
    }
  }

  /** Tries the model, and serves it from then on. */
  async #admit(bundle: Bundle, kept: boolean): Promise<Model> {
    const began = performance.now();
    const { digest, cloudOnnx, manifest } = bundle;
    const { name, payload, cloud, classes } = requireHybrid(manifest);
    const { maxBatch = MAX_BATCH } = this.options;
    const part: CloudModel = { id: this.#ids++, digest, name, onnx: cloudOnnx!, ...cloud, payload };
    let sizes: BatchSizes;
    try {
      await this.batcher.attempt(part, []);
      sizes = await findBatchSizes((payloads) => this.batcher.attempt(part, payloads), payload.bytes, maxBatch);
    } catch (cause) {
      this.batcher.forget(part);
      throw new HedgeError(
        "input",
        `onnxruntime does not load the cloud part of ${name}: ${(cause as Error).message}`,
        "Compile the bundle again from its model.",
        { cause },
      );
    }
    const model: Model = { ...part, classes: classes.length, sizes, kept };
    if (!kept) this.#makeRoom(model);
    this.batcher.add(model, sizes);
    this.#models.set(digest, model);
    this.#tell(model, "loaded", performance.now() - began, sizes.note);
    return model;
  }

  /** Lets models go, those used longest ago first, until the limits hold with this one. Throws a HedgeError (input) when they cannot. */
  #makeRoom(model: Model): void {
    const { models, bytes } = this.options.limits ?? DEFAULT_LIMITS;
    const all = [...this.#models.values()];
    const leaving: Model[] = [];
    const fits = () => {
      const staying = all.filter((other) => !leaving.includes(other));
      return (
        staying.length < models && staying.reduce((sum, { onnx }) => sum + onnx.length, model.onnx.length) <= bytes
      );
    };
    for (const old of all) if (!fits() && !old.kept) leaving.push(old);
    if (!fits()) {
      this.batcher.forget(model);
      throw new HedgeError(
        "input",
        `The worker has no room for the model ${model.name} beside those it was started with.`,
        "Raise its limits for models.",
      );
    }
    for (const old of leaving) {
      this.#models.delete(old.digest);
      this.batcher.remove(old);
      this.#tell(old, "evicted", 0, `makes room for ${model.name}`);
    }
  }

  /** Few at a time: a device that makes digests up must not keep the store from answering for others. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#fetching >= LOADS) {
      if (this.#turns.length >= WAITING_LOADS) throw new Busy("The worker is asked for too many models at once.");
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    } else this.#fetching++;
    try {
      return await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#fetching--;
    }
  }

  #tell(model: Pick<Model, "digest" | "name">, what: ModelEvent["what"], ms: number, sentence: string): void {
    const { digest, name } = model;
    this.options.observer?.model?.({ at: Date.now(), digest, name, what, ms, sentence });
  }
}
