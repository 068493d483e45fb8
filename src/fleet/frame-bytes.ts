/** Sizes of what goes over a device's line, as the real encoders write it: MQTT 3.1.1 packets, without what TCP and TLS add. */
import { encodeOffload, encodeResult } from "../wire/frames.ts";
import { offloadTopic, resultTopic } from "../wire/topics.ts";

/** Of a PUBACK. */
export const ACKNOWLEDGEMENT_BYTES = 4;

/** 2026, as milliseconds from the epoch: a deadline's size on the wire depends on its magnitude. */
const SOME_DEADLINE = 1.77e12;
const DIGEST = "0".repeat(64);

/** A PUBLISH of quality of service 1. @param topic its length, of ASCII characters */
export function publishBytes(topic: number, payload: number): number {
  const remaining = 2 + topic + 2 + payload;
  let lengthBytes = 1;
  for (let rest = remaining; rest >= 128; rest = Math.floor(rest / 128)) lengthBytes++;
  return 1 + lengthBytes + remaining;
}

/** What of an offload frame changes its size, beside its payload's length. */
export interface OffloadNumbers {
  readonly session: number;
  readonly sample: number;
  readonly attempt: number;
  readonly label: number;
  readonly entropy: number;
}

/** Lengths of the topics, beside the device's name. */
const [OFFLOAD_TOPIC, RESULT_TOPIC] = [offloadTopic("").length, resultTopic("").length];
const ZEROS: OffloadNumbers = { session: 0, sample: 0, attempt: 0, label: 0, entropy: 0 };

/** Sizes for a group of devices; what does not change is encoded once. */
export class FrameBytes {
  readonly #offload: number;
  readonly #answered: number;
  readonly #unanswered: number;

  /** @param payload bytes @param worker its name */
  constructor(payload: number, worker: string) {
    const frame = { model: DIGEST, deadline: SOME_DEADLINE, payload: new Uint8Array(payload), ...ZEROS };
    this.#offload = encodeOffload(frame).length;
    const result = { model: DIGEST, session: 0, sample: 0, label: 0, worker, ms: 0 };
    this.#answered = encodeResult({ ...result, state: "answered", confidence: 0.5 }).length;
    this.#unanswered = encodeResult({ ...result, state: "expired", confidence: 0 }).length;
  }

  /** A PUBLISH with an Offload frame. @param name length of the device's name */
  offload(name: number, numbers: OffloadNumbers): number {
    const { session, sample, attempt, label, entropy } = numbers;
    const more = extra(session) + extra(sample) + extra(attempt) + extra(label) + extra(entropy);
    return publishBytes(OFFLOAD_TOPIC + name, this.#offload + more);
  }

  /** A PUBLISH with a Result frame. */
  result(name: number, answered: boolean, session: number, sample: number, label: number, ms: number): number {
    const more = extra(session) + extra(sample) + extra(label) + extra(ms);
    return publishBytes(RESULT_TOPIC + name, (answered ? this.#answered : this.#unanswered) + more);
  }
}

/** Bytes that msgpack takes for a whole number, beyond the one of a small number. */
function extra(n: number): number {
  if (n < 0x80) return 0;
  if (n < 0x100) return 1;
  return n < 0x10000 ? 2 : 4;
}
