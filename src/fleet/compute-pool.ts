/** The threads of a fleet's compute, as their parent sees them. */
import { Worker } from "node:worker_threads";
import type { EngineKind } from "../engine/engine.ts";
import { type ErrorKind, HedgeError } from "../errors.ts";
import type { ShardModel } from "./shard.ts";

/** What a thread starts with. */
export interface ThreadData {
  readonly kind: EngineKind;
  readonly models: readonly ShardModel[];
  /** How many it has. */
  readonly devices: number;
}

/** Devices and models by their places in the shard. */
export type Request =
  | {
      readonly what: "run";
      readonly device: number;
      readonly model: number;
      readonly threshold: number;
      readonly sample: number;
    }
  | { readonly what: "finish"; readonly model: number; readonly payload: Uint8Array }
  | { readonly what: "reset"; readonly device: number }
  | { readonly what: "imageBytes" };

/** To the request of that number; 0: the thread is ready, or not to be had. */
export type Answer = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string; readonly remedy: string } }
  /** A defect of Hedge. */
  | { readonly crash: unknown }
);

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One thread. */
export class ComputeThread {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  /** Why it ended, once it did. */
  #end: Error | undefined;

  private constructor(script: URL, data: ThreadData) {
    this.#thread = new Worker(script, { workerData: data });
    this.#thread.on("message", (answer: Answer) => this.#take(answer));
    this.#thread.on("error", (error) => this.#fail(ended(error)));
    this.#thread.on("exit", () => this.#fail(ended()));
  }

  /** @throws HedgeError as Shard's constructor */
  static async start(script: URL, data: ThreadData): Promise<ComputeThread> {
    const thread = new ComputeThread(script, data);
    try {
      await thread.#expect();
      return thread;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** The answer to a request; rejects with the HedgeError that it came to. */
  ask(request: Request): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#next;
    const answer = this.#expect();
    this.#thread.postMessage({ id, request });
    return answer;
  }

  /** What it still had to answer is rejected. */
  async close(): Promise<void> {
    this.#fail(new Error("The fleet's compute was closed."));
    await this.#thread.terminate();
  }

  #expect(): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("value" in answer) waiting?.resolve(answer.value);
    else if ("error" in answer)
      waiting?.reject(new HedgeError(answer.error.kind, answer.error.message, answer.error.remedy));
    else waiting?.reject(answer.crash instanceof Error ? answer.crash : new Error(String(answer.crash)));
  }

  #fail(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}

function ended(cause?: Error): HedgeError {
  return new HedgeError(
    "check",
    `A thread of the fleet's compute ended${cause ? `: ${cause.message}` : ""}.`,
    "Give it fewer devices if memory ran out; otherwise it is a defect of Hedge.",
    { cause },
  );
}
