/**
 * What devices say of themselves, from the broker into a history: their answers, events, descriptions and status, and workers' dead letters.
 * Samples and results are recorded by the workers.
 */
import type { IPublishPacket } from "mqtt";
import type { Logger } from "pino";
import { HedgeError } from "../errors.ts";
import { type BrokerAccess, shownBroker } from "../wire/broker-access.ts";
import { openConnection } from "../wire/connection.ts";
import { decodeAnswer, decodeDescription, decodeEvent } from "../wire/device-frames.ts";
import { FrameError, kindOf } from "../wire/fields.ts";
import { decodeDeadLetter } from "../wire/frames.ts";
import { logConnection } from "../wire/log-connection.ts";
import { answerTopic, DEAD_TOPIC, eventTopic, isName, statusTopic } from "../wire/topics.ts";
import type { History } from "./history.ts";
import { deadRecord, type HistoryRecord } from "./records.ts";

export interface RecorderOptions extends BrokerAccess {
  /** Its MQTT client id. */
  readonly name: string;
  readonly history: History;
  /** Dead letters, too. Not for a history in which workers record their own: they would stand there twice. */
  readonly deadLetters: boolean;
  readonly log: Logger;
}

export interface Recorder {
  /** Messages that became records, and those that broke the schema. */
  readonly counts: { readonly taken: number; readonly invalid: number };
  stop(): Promise<void>;
}

/** Resolves when it is subscribed. Throws HedgeErrors: usage, input (certificates), network. */
export async function startRecorder(options: RecorderOptions): Promise<Recorder> {
  const { broker, tls, name, history, deadLetters, log } = options;
  const counts = { taken: 0, invalid: 0 };
  const take = (topic: string, message: Uint8Array, { retain }: Pick<IPublishPacket, "retain">) => {
    try {
      history.record(recordOf(topic, message, retain, Date.now()));
      counts.taken++;
    } catch (error) {
      if (!(error instanceof HedgeError)) throw error;
      counts.invalid++;
      log.debug({ topic: topic.slice(0, 100), size: message.length }, error.message);
    }
  };
  const client = await openConnection({
    broker,
    tls,
    name,
    status: false,
    prepare: (connecting) => {
      connecting.on("message", take);
      logConnection(connecting, log, broker);
    },
  });
  const filters = [statusTopic("+"), answerTopic("+"), eventTopic("+"), ...(deadLetters ? [DEAD_TOPIC] : [])];
  try {
    await client.subscribeAsync(filters, { qos: 1 });
  } catch (cause) {
    await client.endAsync(true);
    const sentence = `The broker at ${shownBroker(broker)} refuses the recorder: ${(cause as Error).message}.`;
    throw new HedgeError("network", sentence, `Allow it to subscribe to ${filters.join(", ")}.`, { cause });
  }
  return { counts, stop: () => client.endAsync(!client.connected) };
}

/** Throws a HedgeError (input) for what is nothing that this version sends. */
export function recordOf(topic: string, message: Uint8Array, retained: boolean, at: number): HistoryRecord {
  const [, , name = ""] = topic.split("/");
  if (isName(name) && topic === statusTopic(name)) {
    return { kind: "status", at, name, online: onlineOf(message), changed: !retained };
  }
  // Only a status is kept on the broker; what somebody left there would be recorded again with each connection.
  if (retained) throw stray(topic);
  if (topic === DEAD_TOPIC) return deadRecord(checkedLetter(message), at);
  if (isName(name) && topic === answerTopic(name)) {
    return { kind: "answer", at, device: name, answer: decodeAnswer(message) };
  }
  if (isName(name) && topic === eventTopic(name)) {
    if (kindOf(message) === "event") return { kind: "event", at, device: name, event: decodeEvent(message) };
    return { kind: "description", at, device: name, description: decodeDescription(message) };
  }
  throw stray(topic);
}

function onlineOf(message: Uint8Array): boolean {
  const text = message.length <= "offline".length ? Buffer.from(message).toString("latin1") : "";
  if (text !== "online" && text !== "offline")
    throw new HedgeError("input", "The status is none.", "Say online or offline.");
  return text === "online";
}

function checkedLetter(message: Uint8Array) {
  const letter = decodeDeadLetter(message);
  if (letter.device !== "" && !isName(letter.device)) throw new FrameError("dead", "has no valid name as the device");
  return letter;
}

function stray(topic: string): HedgeError {
  return new HedgeError("input", `${JSON.stringify(topic.slice(0, 100))} is no place for that.`, "See docs/wire.md.");
}
