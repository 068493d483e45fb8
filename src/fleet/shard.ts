/** The devices of one thread: an engine per bundle, which they share, each with a memory image of its own; and the cloud parts. */
import type { Bundle } from "../bundle/bundle.ts";
import type { EdgeResult, EngineKind, SharedEngine } from "../engine/engine.ts";
import { openSharedEngine } from "../engine/open.ts";
import { CloudHalf } from "../explore/cloud-half.ts";

/** A bundle and the samples that its devices see, one behind the other, in memory that threads share. */
export interface ShardModel {
  readonly bundle: Bundle;
  readonly samples: SharedArrayBuffer;
}

export class Shard {
  readonly #engines: readonly SharedEngine[];
  readonly #clouds: (Promise<CloudHalf> | undefined)[] = [];

  /**
   * @param devices how many it has room for
   * @throws HedgeError as openSharedEngine
   */
  constructor(
    kind: EngineKind,
    private readonly models: readonly ShardModel[],
    devices: number,
  ) {
    const engines: SharedEngine[] = [];
    try {
      for (const { bundle } of models) engines.push(openSharedEngine(bundle, kind, Math.max(1, devices)));
    } catch (error) {
      for (const engine of engines) engine.close();
      throw error;
    }
    this.#engines = engines;
  }

  /** Runs a sample on a device's image. Throws HedgeErrors (input) of its module. */
  run(device: number, model: number, threshold: number, sample: number): EdgeResult {
    const engine = this.#engines[model]!;
    const { exit, module } = engine.manifest;
    engine.use(device);
    if (exit) engine.threshold = threshold;
    // A copy: what threads share is no memory for addons.
    const input = new Int8Array(this.models[model]!.samples, sample * module.inputBytes, module.inputBytes).slice();
    return engine.classify(input);
  }

  /** The cloud part's label. One payload at a time: in a batch others might change the last bits of its logits. */
  async finish(model: number, payload: Uint8Array): Promise<number> {
    this.#clouds[model] ??= CloudHalf.open(this.models[model]!.bundle);
    const cloud = await this.#clouds[model];
    const logits = await cloud.run([payload]);
    return logits.indexOf(Math.max(...logits));
  }

  /** Its device runs one bundle, but which is not known here. */
  reset(device: number): void {
    for (const engine of this.#engines) engine.reset(device);
  }

  get imageBytes(): number {
    return this.#engines.reduce((sum, engine) => sum + engine.imageBytes, 0);
  }

  async close(): Promise<void> {
    for (const engine of this.#engines) engine.close();
    for (const cloud of this.#clouds) await cloud?.then((open) => open.close()).catch(() => undefined);
  }
}
