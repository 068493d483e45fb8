/**
 * One process that runs cloud parts, seen from the one that serves MQTT.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { PayloadSpec } from "../bundle/manifest.ts";

/** A cloud part as processes take it. */
export interface CloudModel {
  /** Its number in this worker; a model that was let go and loaded again has another. */
  readonly id: number;
  readonly digest: string;
  /** What errors call it. */
  readonly name: string;
  readonly onnx: Uint8Array;
  /** Name of the input tensor, float32 [batch, channels, height, width]. */
  readonly input: string;
  /** Name of the output tensor, float32 [batch, classes]. */
  readonly output: string;
  readonly payload: PayloadSpec;
}

export interface MemberLimits {
  /** Milliseconds that a run may take before its process is ended. */
  readonly runTime: number;
  /** Bytes that a process may hold. */
  readonly memory: number;
}

/** The process ended while it was at work: by the samples that it had, or by somebody's hand. */
export class MemberDied extends Error {}

type Request =
  | { readonly load: Omit<CloudModel, "id" | "digest" | "name"> & { readonly model: number } }
  | { readonly run: { readonly model: number; readonly payloads: Uint8Array; readonly size: number } };
type Reply = { readonly logits?: Float32Array; readonly error?: string };

const SCRIPT = new URL("./member-process.js", import.meta.url);
/** Milliseconds for a process to come up, and for a model to load: on a busy machine, from a slow disk. */
const START_TIME = 120_000;
/** Of what the process says on stderr as it dies. */
const LAST_WORDS = 200;

export class Member {
  readonly #child: ChildProcess;
  readonly #loaded = new Set<number>();
  #answer: ((reply: Reply) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #words = "";
  #verdict = "";
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;

  constructor(private readonly limits: MemberLimits) {
    this.#child = fork(SCRIPT, [String(limits.memory)], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: [],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#words = (this.#words + text).slice(-LAST_WORDS);
    });
    this.#child.on("message", (reply: Reply) => {
      const answer = this.#answer;
      this.#answer = this.#fail = undefined;
      answer?.(reply);
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#fail?.(new MemberDied(`its process ended (${this.#verdict || how})`));
        resolve();
      };
      this.#child.once("exit", (code, signal) => end([signal ?? `code ${code}`, this.#words.trim()].join(" ").trim()));
      // A process that does not come up, and a channel that breaks, perhaps under several messages.
      this.#child.on("error", (error) => {
        this.#child.kill("SIGKILL");
        if (this.#child.pid === undefined) end(error.message);
      });
    });
  }

  /** Resolves when it takes requests; rejects when it ends before. */
  async ready(): Promise<void> {
    await this.#next(START_TIME);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  has(model: CloudModel): boolean {
    return this.#loaded.has(model.id);
  }

  /** Makes a session of the model, if there is none. Rejects with what onnxruntime says against it. */
  async load(model: CloudModel): Promise<void> {
    if (this.#loaded.has(model.id)) return;
    const { id, onnx, input, output, payload } = model;
    await this.#ask({ load: { model: id, onnx, input, output, payload } }, START_TIME);
    this.#loaded.add(id);
  }

  /** Lets the session of a model go. */
  drop(model: CloudModel): void {
    if (this.#loaded.delete(model.id) && this.#child.connected) this.#child.send({ drop: model.id });
  }

  /**
   * The logits of these payloads, each a row, run as a batch of `size`. Rejects with a MemberDied when the process ends over them, or takes
   * longer than `limit` milliseconds, with another error when onnxruntime refuses them.
   */
  async run(
    model: CloudModel,
    payloads: readonly Uint8Array[],
    size: number,
    limit = Infinity,
  ): Promise<Float32Array[]> {
    await this.load(model);
    const together = payloads.length === 1 ? payloads[0]! : Buffer.concat(payloads);
    const { logits } = await this.#ask(
      { run: { model: model.id, payloads: together, size } },
      Math.min(limit, this.limits.runTime),
    );
    const row = logits!.length / payloads.length;
    return payloads.map((_, i) => logits!.subarray(i * row, (i + 1) * row));
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  async #ask(request: Request, limit: number): Promise<Reply> {
    const { connected, exitCode, signalCode } = this.#child;
    // The channel may be heard to end later than the process, and nobody would answer.
    if (!connected || exitCode !== null || signalCode !== null) throw new MemberDied("its process is gone");
    this.#child.send(request);
    const reply = await this.#next(limit);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  /** The next message of the process. */
  async #next(limit: number): Promise<Reply> {
    const timer = setTimeout(() => {
      this.#verdict = `it took more than ${Math.round(limit) / 1000} s`;
      this.#child.kill("SIGKILL");
    }, limit);
    try {
      return await new Promise((resolve, reject) => {
        this.#answer = resolve;
        this.#fail = reject;
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
