/** A client that offers samples to workers and collects what they publish; and the frames that it offers. */
import { connectAsync, type MqttClient } from "mqtt";
import type { Bundle } from "../../src/bundle/bundle.ts";
import {
  type DeadLetter,
  decodeDeadLetter,
  decodeResult,
  encodeOffload,
  type Offload,
  type Result,
} from "../../src/wire/frames.ts";
import { packPayload } from "../../src/wire/payload.ts";
import { DEAD_TOPIC, offloadTopic, resultTopic, statusTopic } from "../../src/wire/topics.ts";
import { unsureSample } from "./tiny-cloud.ts";

export interface OffloadProbe {
  readonly client: MqttClient;
  readonly results: Result[];
  readonly dead: DeadLetter[];
  /** By topic: what the last one said. */
  readonly statuses: Map<string, string>;
  /** Resolves once the condition holds after some message. */
  until(condition: () => boolean): Promise<void>;
  send(topic: string, frame: Uint8Array): Promise<unknown>;
  /** As the device `d`. */
  offer(offload: Offload): Promise<unknown>;
  close(): Promise<void>;
}

export async function offloadProbe(url: string): Promise<OffloadProbe> {
  const client = await connectAsync(url);
  const results: Result[] = [];
  const dead: DeadLetter[] = [];
  const statuses = new Map<string, string>();
  let waiting: (() => boolean)[] = [];
  client.on("message", (topic, message) => {
    if (topic === DEAD_TOPIC) dead.push(decodeDeadLetter(message));
    else if (topic.endsWith("/status")) statuses.set(topic, message.toString());
    else results.push(decodeResult(message));
    waiting = waiting.filter((check) => check());
  });
  await client.subscribeAsync([DEAD_TOPIC, resultTopic("+"), statusTopic("+")], { qos: 1 });
  const send = (topic: string, frame: Uint8Array) => client.publishAsync(topic, Buffer.from(frame), { qos: 1 });
  return {
    ...{ client, results, dead, statuses, send },
    offer: (offload) => send(offloadTopic("d"), encodeOffload(offload)),
    until: (condition) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if (condition()) resolve();
          return !condition();
        };
        if (check()) waiting.push(check);
      }),
    close: () => client.endAsync(true),
  };
}

/** An offer of the `sample`-th of many unsure samples of the tiny model. */
export function offloadOf(bundle: Bundle, sample: number, changes: Partial<Offload> = {}): Offload {
  const levels = Array.from(unsureSample(sample), (pixel) => (pixel >= 0 ? 1 : 0));
  return {
    model: bundle.digest,
    session: 1,
    sample,
    deadline: Date.now() + 60_000,
    attempt: 1,
    label: 0,
    entropy: 1000,
    payload: packPayload(bundle.manifest.payload!, levels),
    ...changes,
  };
}
