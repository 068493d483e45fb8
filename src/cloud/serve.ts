/**
 * What a worker makes of one message: a result, a dead letter, or both. Knows no MQTT.
 */
import { performance } from "node:perf_hooks";
import { type DeadLetter, type DeadReason, decodeOffload, type Offload, type Result } from "../wire/frames.ts";
import { deviceOf } from "../wire/topics.ts";
import { Overfull } from "./batcher.ts";
import type { Model, Models, ModelsStatus } from "./models.ts";
import type { Observer, ServedAs } from "./observer.ts";
import { NO_QUOTA, type Quota, Quotas } from "./quota.ts";
import { Recent } from "./recent.ts";

/** What became of the messages so far. Each message is counted once. */
export interface ServeCounts {
  /** Run through the cloud part and answered. */
  answered: number;
  /** Offered again and answered as before, without a run. */
  repeated: number;
  /** Offered or reached after its deadline. */
  expired: number;
  /** Beyond their device's quota. */
  limited: number;
  /** Dead letters, but for those of quotas. */
  dead: number;
}

export interface ServerOptions {
  /** The worker's. */
  readonly name: string;
  readonly models: Models;
  /** Of each device. Default: none. */
  readonly quota?: Quota;
  readonly observer?: Observer;
}

export interface Reply {
  readonly device: string;
  /** The sample's, in milliseconds from the epoch. */
  readonly deadline: number;
  readonly result: Result;
}

export interface Outcome {
  readonly reply?: Reply;
  readonly dead?: DeadLetter;
}

/** Answers kept for samples that are offered again. At a few hundred bytes each: some megabytes. */
const KEPT_ANSWERS = 20_000;
/** Bytes of a message that its dead letter shows. */
const HEAD_BYTES = 64;

type Answer = Pick<Result, "state" | "label" | "confidence">;
type Verdict = Answer & { readonly as: ServedAs; readonly why?: readonly [DeadReason, string] };

export class Server {
  readonly counts: ServeCounts = { answered: 0, repeated: 0, expired: 0, limited: 0, dead: 0 };
  /** Promises, so that a sample that is offered again while it is in work joins the run. */
  readonly #answers = new Recent<Promise<Verdict>>(KEPT_ANSWERS);
  readonly #quotas: Quotas;

  constructor(private readonly options: ServerOptions) {
    this.#quotas = new Quotas(options.quota ?? NO_QUOTA);
  }

  /** Never rejects: whatever is wrong with a message is said in its outcome. */
  async serve(topic: string, message: Uint8Array): Promise<Outcome> {
    const at = Date.now();
    const began = performance.now();
    // Those that have no name share one quota.
    const device = deviceOf(topic) ?? "";
    // Counted whatever it is: a dead letter each would cost the worker and who reads them as much as samples do.
    const isWithin = this.#quotas.take(device, began);
    const drop = (reason: DeadReason, sentence: string): Outcome => {
      if (isWithin) return { dead: this.#bury(reason, sentence, device, message) };
      this.counts.limited++;
      const { why } = this.#limit(device, began);
      return { dead: why && this.#bury(...why, device, message) };
    };
    if (device === "") return drop("topic", `The topic ${topic.slice(0, 100)} names no device.`);
    let offload: Offload;
    try {
      offload = decodeOffload(message);
    } catch (error) {
      return drop("frame", (error as Error).message);
    }
    const { name, observer } = this.options;
    const { model, session, sample, deadline } = offload;
    const { why, as, state, label, confidence } = isWithin
      ? await this.#judge(device, offload)
      : this.#limit(device, began);
    const dead = why && this.#bury(...why, device, message);
    if (as !== "refused") this.counts[as]++;
    const ms = performance.now() - began;
    observer?.served?.({
      at,
      device,
      model,
      session,
      sample,
      attempt: offload.attempt,
      deadline,
      edgeLabel: offload.label,
      entropy: offload.entropy,
      payloadBytes: offload.payload.length,
      as,
      state,
      label,
      confidence,
      worker: name,
      ms,
    });
    const result = { model, session, sample, state, label, confidence, worker: name, ms: Math.round(ms) };
    return { reply: { device, deadline, result }, dead };
  }

  status(): ModelsStatus {
    return this.options.models.status();
  }

  /** Ends the processes that run models. */
  close(): Promise<void> {
    return this.options.models.close();
  }

  #bury(reason: DeadReason, sentence: string, device: string, message: Uint8Array): DeadLetter {
    if (reason !== "quota") this.counts.dead++;
    // A copy: it must not hold on to a whole packet.
    const letter = { reason, sentence, device, size: message.length, head: message.slice(0, HEAD_BYTES) };
    this.options.observer?.dead?.(letter, Date.now());
    return letter;
  }

  async #judge(device: string, offload: Offload): Promise<Verdict> {
    const key = `${device}/${offload.session}/${offload.sample}/${offload.model}`;
    const known = this.#answers.get(key);
    if (known !== undefined) {
      // Its dead letter has been written.
      const { why: _, ...before } = await known;
      return before.as === "answered" || before.as === "refused" ? { ...before, as: "repeated" } : before;
    }
    if (Date.now() > offload.deadline) return EXPIRED;
    const work = this.#finish(device, offload);
    this.#answers.set(key, work);
    const verdict = await work;
    // It was not run: should it be offered again with time left, it may be.
    if (verdict.as !== "answered" && verdict.as !== "refused") this.#answers.delete(key);
    return verdict;
  }

  #limit(device: string, now: number): Verdict {
    if (!this.#quotas.tell(device, now)) return LIMITED;
    return { ...LIMITED, why: ["quota", `The device sends more than ${this.#quotas.quota.rate} messages a second.`] };
  }

  async #finish(device: string, offload: Offload): Promise<Verdict> {
    const refuse = (reason: DeadReason, sentence: string): Verdict => ({ ...REFUSED, why: [reason, sentence] });
    const { models } = this.options;
    let model: Model | undefined;
    try {
      model = models.get(offload.model) ?? (await inTime(models.find(offload.model), offload.deadline));
    } catch (error) {
      return refuse("model", (error as Error).message);
    }
    if (model === undefined) return EXPIRED;
    const { payload, name, classes } = model;
    if (offload.payload.length !== payload.bytes) {
      return refuse(
        "payload",
        `The payload has ${offload.payload.length} bytes where the model ${name} has ${payload.bytes}.`,
      );
    }
    try {
      const logits = await models.infer(model, offload.payload, offload.deadline, device);
      if (logits === undefined) return EXPIRED;
      if (logits.length !== classes || !logits.every(Number.isFinite)) {
        return refuse("inference", `The cloud part of ${name} gave no ${classes} finite logits.`);
      }
      return { state: "answered", as: "answered", ...strongest(logits) };
    } catch (error) {
      if (error instanceof Overfull) return LIMITED;
      return refuse("inference", `The cloud part of ${name} failed: ${(error as Error).message}`);
    }
  }
}

const EXPIRED: Verdict = { state: "expired", as: "expired", label: 0, confidence: 0 };
const REFUSED: Verdict = { state: "refused", as: "refused", label: 0, confidence: 0 };
const LIMITED: Verdict = { state: "refused", as: "limited", label: 0, confidence: 0 };

/** Longest wait for a model, in milliseconds, whatever a sample's deadline. */
const MODEL_WAIT = 300_000;

/** What the work comes to; undefined when that is after the deadline (milliseconds from the epoch). */
async function inTime<T>(work: Promise<T>, deadline: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.min(deadline - Date.now(), MODEL_WAIT), undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first of the largest logits, and its probability under softmax. */
function strongest(logits: Float32Array): { label: number; confidence: number } {
  let label = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[label] as number)) label = i;
  const top = logits[label] as number;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
  return { label, confidence: 1 / sum };
}
