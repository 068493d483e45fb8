/** mosquitto, workers and devices, each in processes of their own: what every scene needs. */

import { type Mosquitto, startMosquitto } from "../mosquitto.ts";
import type { Report } from "../run-edge.ts";
import type { LoadOptions } from "./load.ts";
import { LoadProcess } from "./load-process.ts";
import type { LoadSample } from "./load-samples.ts";
import { pinTo } from "./process-tree.ts";
import { WorkerTier } from "./tier.ts";

/** What all scenes of a run share. */
export interface Setting {
  /** Path of the command line's main file. */
  readonly hedge: string;
  /** Of the bundle that workers serve and devices offload for. */
  readonly folder: string;
  readonly samples: readonly LoadSample[];
  readonly report: Report;
}

export interface StageOptions {
  readonly workers: number;
  /** More options of `hedge worker`. */
  readonly workerOptions?: readonly string[];
}

/** Options of `hedge worker` for several of them that share the samples. */
const SHARED = ["--mode", "shared"];

export class Stage {
  readonly #loads: LoadProcess[] = [];

  private constructor(
    readonly setting: Setting,
    private mosquitto: Mosquitto,
    readonly tier: WorkerTier,
  ) {}

  /** @throws HedgeErrors: usage (no mosquitto), network (a worker that does not come up) */
  static async set(setting: Setting, { workers, workerOptions = [] }: StageOptions): Promise<Stage> {
    const mosquitto = await startMosquitto();
    const { hedge, folder } = setting;
    const options = [...SHARED, ...workerOptions];
    try {
      const tier = await WorkerTier.start({ hedge, folder, broker: mosquitto.url, workers, options });
      return new Stage(setting, mosquitto, tier);
    } catch (error) {
      await mosquitto.close();
      throw error;
    }
  }

  get broker(): string {
    return this.mosquitto.url;
  }

  /** kill -9, and a new one on the same port, which knows nothing of before. */
  async replaceBroker(): Promise<void> {
    await this.mosquitto.kill();
    this.mosquitto = await startMosquitto(this.mosquitto.port);
  }

  /** Devices that send nothing yet; of the setting's bundle and samples, if nothing else is said. */
  async load(options: Omit<LoadOptions, "broker" | "folder" | "samples"> & Partial<LoadOptions>): Promise<LoadProcess> {
    const { hedge, folder, samples } = this.setting;
    const load = await LoadProcess.start(hedge, { broker: this.broker, folder, samples, ...options });
    this.#loads.push(load);
    return load;
  }

  /** Workers have some cores, broker and devices that are connected by now have others. */
  async pin(workers: readonly number[], rest: readonly number[]): Promise<void> {
    for (const pid of await this.tier.pids()) pinTo(workers, pid);
    for (const pid of [this.mosquitto.pid, ...this.#loads.map((load) => load.pid)]) pinTo(rest, pid);
  }

  async clear(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.kill()));
    await this.tier.killAll();
    await this.mosquitto.close();
  }
}

/** Sets a stage, plays on it, and clears it whatever happens. */
export async function onStage<T>(
  setting: Setting,
  options: StageOptions,
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const stage = await Stage.set(setting, options);
  try {
    return await play(stage);
  } finally {
    await stage.clear();
  }
}
