/** Several workers, each a process of its own, that are killed and replaced. */
import { startWorkerProcess, type WorkerProcess } from "../worker-process.ts";
import { type ProcessUse, useOf } from "./process-tree.ts";

export interface TierOptions {
  /** Path of the command line's main file. */
  readonly hedge: string;
  /** Of the bundle that they serve. */
  readonly folder: string;
  readonly broker: string;
  readonly workers: number;
  /** More options of `hedge worker`. */
  readonly options?: readonly string[];
}

export class WorkerTier {
  #workers: Promise<WorkerProcess>[];
  #ended = new Set<WorkerProcess>();
  #started: WorkerProcess[] = [];

  private constructor(private readonly options: TierOptions) {
    this.#workers = Array.from({ length: options.workers }, () => this.#start());
  }

  /** Resolves when all are ready. @throws HedgeError (network) with what a worker said that does not come up */
  static async start(options: TierOptions): Promise<WorkerTier> {
    const tier = new WorkerTier(options);
    try {
      await Promise.all(tier.#workers);
    } catch (error) {
      await tier.killAll();
      throw error;
    }
    return tier;
  }

  /** Workers that ended without being told to. */
  get exits(): number {
    return this.#started.filter((worker) => worker.ended && !this.#ended.has(worker)).length;
  }

  /** kill -9 for the `index`-th, once it is ready, and a new one in its place at once; resolves when the old one is gone. */
  async replace(index: number): Promise<void> {
    const worker = await (this.#workers[index] as Promise<WorkerProcess>);
    this.#ended.add(worker);
    await worker.kill();
    this.#workers[index] = this.#start();
    // Whoever waits for it hears of a failure.
    this.#workers[index].catch(() => undefined);
  }

  /** kill -9 for all of them. */
  killAll(): Promise<void> {
    return this.#end((worker) => worker.kill());
  }

  /** Lets all of them answer what they took, and write what they hold. */
  stop(): Promise<void> {
    return this.#end((worker) => worker.stop());
  }

  /** New ones in the place of all, once they were killed. */
  async startAll(): Promise<void> {
    this.#workers = this.#workers.map(() => this.#start());
    await Promise.all(this.#workers);
  }

  /** Resolves when all that were started last are ready. */
  async ready(): Promise<void> {
    await Promise.all(this.#workers);
  }

  async pids(): Promise<number[]> {
    return (await Promise.all(this.#workers)).map(({ pid }) => pid);
  }

  /** Of all workers and of what they started. */
  async use(): Promise<ProcessUse> {
    const uses = (await this.pids()).map(useOf);
    const sum = (of: (use: ProcessUse) => number) => uses.reduce((total, use) => total + of(use), 0);
    return { cpuSeconds: sum((u) => u.cpuSeconds), rss: sum((u) => u.rss), processes: sum((u) => u.processes) };
  }

  async #end(how: (worker: WorkerProcess) => Promise<void>): Promise<void> {
    const starts = await Promise.allSettled(this.#workers);
    const workers = starts.flatMap((start) =>
      start.status === "fulfilled" && !start.value.ended ? [start.value] : [],
    );
    for (const worker of workers) this.#ended.add(worker);
    await Promise.all(workers.map(how));
  }

  async #start(): Promise<WorkerProcess> {
    const { hedge, folder, broker, options } = this.options;
    const worker = await startWorkerProcess(hedge, folder, broker, options);
    this.#started.push(worker);
    return worker;
  }
}
