/**
 * What a worker makes of one message: a result, a dead letter, or both. Knows no MQTT.
 */
import { performance } from "node:perf_hooks";
import { type DeadLetter, type DeadReason, decodeOffload, type Offload, type Result } from "../wire/frames.ts";
import { unpackPayload } from "../wire/payload.ts";
import { deviceOf } from "../wire/topics.ts";
import { Answers } from "./answers.ts";
import type { ServedModel } from "./models.ts";
import type { SessionPool } from "./session-pool.ts";

/** What became of the messages so far. Each message is counted once. */
export interface ServeCounts {
  /** Run through the cloud part and answered. */
  answered: number;
  /** Offered again and answered as before, without a run. */
  repeated: number;
  /** Offered or reached after its deadline. */
  expired: number;
  /** Dead letters. */
  dead: number;
}

export interface Reply {
  readonly device: string;
  readonly result: Result;
}

export interface Outcome {
  readonly reply?: Reply;
  readonly dead?: DeadLetter;
}

/** Answers kept for samples that are offered again. At a few hundred bytes each: some megabytes. */
const KEPT_ANSWERS = 20_000;

type Verdict = Pick<Result, "state" | "label" | "confidence"> & { readonly dead?: DeadLetter };

export class Server {
  readonly counts: ServeCounts = { answered: 0, repeated: 0, expired: 0, dead: 0 };
  /** Promises, so that a sample that is offered again while it is in work joins the run. */
  #answers = new Answers<Promise<Verdict>>(KEPT_ANSWERS);

  constructor(
    private readonly name: string,
    private readonly models: ReadonlyMap<string, ServedModel>,
    private readonly pool: SessionPool,
  ) {}

  /** Never rejects: whatever is wrong with a message is said in its outcome. */
  async serve(topic: string, message: Uint8Array): Promise<Outcome> {
    const started = performance.now();
    const device = deviceOf(topic);
    const dead = (reason: DeadReason, sentence: string): DeadLetter => {
      return { reason, sentence, device: device ?? "", size: message.length, head: message.subarray(0, 64) };
    };
    if (device === undefined) {
      this.counts.dead++;
      return { dead: dead("topic", `The topic ${topic.slice(0, 100)} names no device.`) };
    }
    let offload: Offload;
    try {
      offload = decodeOffload(message);
    } catch (error) {
      this.counts.dead++;
      return { dead: dead("frame", (error as Error).message) };
    }
    const { model, session, sample } = offload;
    const key = `${device}/${session}/${sample}/${model}`;
    const known = this.#answers.get(key);
    const expired = Date.now() > offload.deadline;
    let verdict: Verdict;
    if (known !== undefined) {
      this.counts.repeated++;
      // Its dead letter has been written.
      const { dead: _, ...before } = await known;
      verdict = before;
    } else if (expired) {
      this.counts.expired++;
      verdict = EXPIRED;
    } else {
      const work = this.#finish(offload, dead);
      this.#answers.set(key, work);
      verdict = await work;
      this.counts[verdict.dead === undefined ? "answered" : "dead"]++;
    }
    const { dead: letter, ...answer } = verdict;
    const ms = Math.round(performance.now() - started);
    return { reply: { device, result: { model, session, sample, ...answer, worker: this.name, ms } }, dead: letter };
  }

  async #finish(offload: Offload, dead: (reason: DeadReason, sentence: string) => DeadLetter): Promise<Verdict> {
    const refuse = (reason: DeadReason, sentence: string): Verdict => ({ ...REFUSED, dead: dead(reason, sentence) });
    const model = this.models.get(offload.model);
    if (model === undefined) {
      return refuse(
        "model",
        `This worker has no model ${offload.model.slice(0, 12)}: start it with the device's bundle.`,
      );
    }
    const { payload } = model;
    if (offload.payload.length !== payload.bytes) {
      return refuse(
        "payload",
        `The payload has ${offload.payload.length} bytes where the model ${model.name} has ${payload.bytes}.`,
      );
    }
    try {
      const values = unpackPayload(payload, offload.payload);
      const logits = await this.pool.run(model.index, values, [1, ...payload.shape]);
      if (logits.length !== model.classes || !logits.every(Number.isFinite)) {
        return refuse("inference", `The cloud part of ${model.name} gave no ${model.classes} finite logits.`);
      }
      return { state: "answered", ...strongest(logits) };
    } catch (error) {
      return refuse("inference", `The cloud part of ${model.name} failed: ${(error as Error).message}`);
    }
  }
}

const EXPIRED: Verdict = { state: "expired", label: 0, confidence: 0 };
const REFUSED: Verdict = { state: "refused", label: 0, confidence: 0 };

/** The first of the largest logits, and its probability under softmax. */
function strongest(logits: Float32Array): { label: number; confidence: number } {
  let label = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[label] as number)) label = i;
  const top = logits[label] as number;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
  return { label, confidence: 1 / sum };
}
