/** A device's presence at the broker, kept up for it: its own connection under its own name, whatever becomes of the broker meanwhile. */
import type { MqttClient } from "mqtt";
import type { Logger } from "pino";
import { HedgeError } from "../errors.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import { closeConnection, openConnection } from "../wire/connection.ts";
import { decodeAnswer, decodeCommand, decodeDescription, decodeEvent } from "../wire/device-frames.ts";
import { FRAME_TYPES } from "../wire/fields.ts";
import { decodeOffload, decodeResult } from "../wire/frames.ts";
import { answerTopic, commandTopic, eventTopic, offloadTopic, resultTopic } from "../wire/topics.ts";

export interface SessionOptions extends BrokerAccess {
  readonly device: string;
  /** Gives a frame to the device; false when it cannot. */
  readonly toDevice: (type: number, frame: Uint8Array) => boolean;
  /** The broker is there, or gone. */
  readonly onBroker: () => void;
  readonly log: Logger;
}

/** What became of frames. */
export interface SessionCounts {
  /** From the device to the broker. */
  up: number;
  /** From the broker to the device. */
  down: number;
  /** Broke the schema, either way: not passed on. */
  invalid: number;
  /** Good, but there was no room or no connection. */
  dropped: number;
}

/** What devices send: how it is checked, and where it goes. */
const UP = new Map([
  [FRAME_TYPES.offload as number, { check: decodeOffload, topic: offloadTopic }],
  [FRAME_TYPES.answer, { check: decodeAnswer, topic: answerTopic }],
  [FRAME_TYPES.event, { check: decodeEvent, topic: eventTopic }],
  [FRAME_TYPES.description, { check: decodeDescription, topic: eventTopic }],
]);

/** Frames that wait for the broker, and frames that it has not acknowledged: each at most this many. */
const MAX_WAITING = 64;
/** Milliseconds between attempts to find the broker at all; mqtt.js sees to it from then on. */
const CONNECT_AGAIN = 1_000;
/** Milliseconds between complaints in the log about frames. */
const COMPLAIN_EVERY = 5_000;

export class Session {
  readonly counts: SessionCounts = { up: 0, down: 0, invalid: 0, dropped: 0 };
  #client: MqttClient | undefined;
  #waiting: { readonly topic: string; readonly frame: Buffer }[] = [];
  #unacknowledged = 0;
  #stopped = false;
  #wake: () => void = () => undefined;
  readonly #connecting: Promise<void>;
  #complained = 0;

  constructor(private readonly options: SessionOptions) {
    this.#connecting = this.#connect();
  }

  /** Whether frames get through to the broker at the moment. */
  get online(): boolean {
    return this.#client?.connected === true;
  }

  /** A frame from the device: anything. What is good goes to the broker; offloads only at once, for the device offers them again. */
  up(type: number, bytes: Uint8Array): void {
    const kind = UP.get(type);
    if (kind === undefined) this.#refuse(`a frame of type ${type} from the device is not passed on`);
    if (kind === undefined || !this.#isGood(kind.check, bytes, "from the device")) return;
    const message = { topic: kind.topic(this.options.device), frame: Buffer.from(bytes) };
    if (type === FRAME_TYPES.offload && !this.#hasRoom) this.#drop("an offload");
    else this.#waiting.push(message);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#drop("the oldest frame that waits for the broker");
    }
    this.#flush();
  }

  /** Says goodbye for the device. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#connecting;
    if (this.#client !== undefined) await closeConnection(this.#client, this.options.device);
    this.#client = undefined;
    this.counts.dropped += this.#waiting.length;
    this.#waiting = [];
  }

  get #hasRoom(): boolean {
    return this.online && this.#unacknowledged < MAX_WAITING;
  }

  #flush(): void {
    while (this.#hasRoom) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#unacknowledged++;
      const settled = () => {
        this.#unacknowledged--;
        this.#flush();
      };
      this.#client?.publishAsync(message.topic, message.frame, { qos: 1 }).then(() => {
        this.counts.up++;
        settled();
      }, settled);
    }
  }

  /** Until there is a connection or the session ends. */
  async #connect(): Promise<void> {
    const { broker, tls, device, log } = this.options;
    for (let attempt = 0; !this.#stopped; attempt++) {
      try {
        const client = await openConnection({
          ...{ broker, tls, name: device },
          prepare: (connecting) => connecting.on("message", (topic, frame) => this.#down(topic, frame)),
        });
        this.#client = client;
        const subscribed = client.subscribeAsync([resultTopic(device), commandTopic(device)], { qos: 1 });
        await Promise.race([subscribed, lost(client)]);
        let closed = false;
        client.on("connect", () => {
          closed = false;
          this.#brokerChanged("connected");
        });
        client.on("close", () => {
          // While the broker is away each attempt ends with this.
          if (!closed) this.#brokerChanged("connection closed");
          closed = true;
        });
        this.#brokerChanged("connected");
        return;
      } catch (error) {
        await this.#client?.endAsync(true);
        this.#client = undefined;
        if (attempt === 0) log.warn({ device }, (error as Error).message);
      }
      if (!this.#stopped) await this.#sleep(CONNECT_AGAIN);
    }
  }

  #brokerChanged(what: string): void {
    const { device, log, onBroker } = this.options;
    if (this.#stopped) return;
    log.info({ device }, what);
    onBroker();
    // mqtt.js sends what was not acknowledged first.
    this.#flush();
  }

  /** A message for the device: anything. */
  #down(topic: string, message: Uint8Array): void {
    const { device, toDevice } = this.options;
    const isResult = topic === resultTopic(device);
    if (!this.#isGood(isResult ? decodeResult : decodeCommand, message, "for the device")) return;
    if (toDevice(isResult ? FRAME_TYPES.result : FRAME_TYPES.command, message)) this.counts.down++;
    else this.#drop(`a frame for the device: its link takes none`);
  }

  #isGood(check: (frame: Uint8Array) => unknown, frame: Uint8Array, whence: string): boolean {
    try {
      check(frame);
      return true;
    } catch (error) {
      if (!(error instanceof HedgeError)) throw error;
      this.#refuse(`a frame ${whence} is not passed on: ${error.message}`);
      return false;
    }
  }

  #refuse(sentence: string): void {
    this.counts.invalid++;
    this.#complain(sentence);
  }

  #drop(what: string): void {
    this.counts.dropped++;
    this.#complain(`${what} is dropped`);
  }

  /** What comes from outside may come in floods; the counts have it all. */
  #complain(sentence: string): void {
    const now = Date.now();
    if (now - this.#complained < COMPLAIN_EVERY) return;
    this.#complained = now;
    this.options.log.warn({ device: this.options.device, ...this.counts }, sentence);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Rejects when the connection is lost. */
function lost(client: MqttClient): Promise<never> {
  return new Promise((_, reject) => client.once("close", () => reject(new Error("The broker closed the connection."))));
}
