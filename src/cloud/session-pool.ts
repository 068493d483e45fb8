/**
 * Runs cloud parts on a few threads, each holding a session of every model. A thread that dies is replaced and its job tried on
 * another, a few times: a sample that kills threads must not take the rest along.
 */
import { Worker as Thread } from "node:worker_threads";
import { HedgeError } from "../errors.ts";

/** A cloud part as the pool takes it. */
export interface CloudModel {
  /** What errors call it. */
  readonly name: string;
  readonly onnx: Uint8Array;
  /** Name of the input tensor, float32 [1, channels, height, width]. */
  readonly input: string;
  /** Name of the output tensor, float32 [1, classes]. */
  readonly output: string;
}

/** How often a job is started when the thread that runs it dies. */
const MAX_STARTS = 3;
/** Milliseconds before a thread is replaced: the first at once, then doubled with each one that dies before a job is done. */
const LONGEST_PAUSE = 5_000;

interface Job {
  readonly model: number;
  readonly values: Float32Array;
  readonly dims: readonly number[];
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (error: Error) => void;
  starts: number;
}

interface Member {
  readonly thread: Thread;
  job: Job | undefined;
}

type Answer = { id: number; logits?: Float32Array; error?: string };

export class SessionPool {
  #models: readonly CloudModel[];
  #members = new Set<Member>();
  #idle: Member[] = [];
  #waiting: Job[] = [];
  /** In a row, without a job done in between. */
  #deaths = 0;
  #replacements = new Set<NodeJS.Timeout>();
  #closed = false;

  private constructor(
    models: readonly CloudModel[],
    private readonly script: URL,
  ) {
    this.#models = models;
  }

  /** Threads that died since the pool was opened and were, or will be, replaced. */
  deaths = 0;

  /**
   * Starts `threads` threads that run `script`; throws a HedgeError (input) that names the model which onnxruntime does not load.
   */
  static async open(
    models: readonly CloudModel[],
    threads: number,
    script = new URL("./session-thread.js", import.meta.url),
  ): Promise<SessionPool> {
    const pool = new SessionPool(models, script);
    try {
      await Promise.all(Array.from({ length: threads }, () => pool.#start()));
    } catch (cause) {
      await pool.close();
      throw new HedgeError(
        "input",
        `onnxruntime does not load the cloud part of ${models.map((model) => model.name).join(" or ")}: ${(cause as Error).message}`,
        "Compile the bundle again from its model.",
        { cause },
      );
    }
    return pool;
  }

  /**
   * The logits of one sample: `values` are those of the model's input, `dims` its shape. Rejects with the reason when the model cannot be
   * run on it.
   */
  run(model: number, values: Float32Array, dims: readonly number[]): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ model, values, dims, resolve, reject, starts: 0 });
      this.#next();
    });
  }

  /** Ends the threads; jobs that are not done are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pause of this.#replacements) clearTimeout(pause);
    const members = [...this.#members];
    for (const job of this.#waiting.splice(0)) job.reject(new Error("the worker stops"));
    await Promise.all(members.map((member) => member.thread.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#idle.length > 0) {
      const job = this.#waiting.shift() as Job;
      const member = this.#idle.pop() as Member;
      member.job = job;
      job.starts++;
      // Copied, not transferred: another thread may have to start over.
      member.thread.postMessage({ id: 0, model: job.model, values: job.values, dims: job.dims });
    }
  }

  /** Resolves when the thread's sessions stand. */
  #start(replacement = false): Promise<void> {
    const thread = new Thread(this.script, {
      workerData: { models: this.#models },
    });
    const member: Member = { thread, job: undefined };
    this.#members.add(member);
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      let ready = false;
      thread.on("message", (message: Answer | { ready: true }) => {
        if ("ready" in message) {
          ready = true;
          resolve();
        } else {
          this.#deaths = 0;
          const job = member.job;
          member.job = undefined;
          if (message.logits) job?.resolve(message.logits);
          else job?.reject(new Error(message.error ?? "no logits"));
        }
        this.#idle.push(member);
        this.#next();
      });
      thread.on("error", (error) => {
        failure = error;
      });
      thread.on("exit", () => {
        this.#members.delete(member);
        this.#idle = this.#idle.filter((other) => other !== member);
        const error = failure ?? new Error("the thread ended");
        reject(error);
        // Those that do not come up while the pool is opened are the caller's to hear of.
        this.#bury(member, error);
        if (ready || replacement) this.#replace();
      });
    });
  }

  #bury({ job }: Member, error: Error): void {
    if (job === undefined) return;
    if (this.#closed || job.starts >= MAX_STARTS) job.reject(error);
    else this.#waiting.unshift(job);
    this.#next();
  }

  #replace(): void {
    if (this.#closed) return;
    this.deaths++;
    const delay = this.#deaths === 0 ? 0 : Math.min(LONGEST_PAUSE, 50 * 2 ** this.#deaths);
    this.#deaths++;
    const pause = setTimeout(() => {
      this.#replacements.delete(pause);
      this.#start(true).catch(() => undefined);
    }, delay);
    this.#replacements.add(pause);
  }
}
