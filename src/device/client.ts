/**
 * The edge client: runs samples on an engine, answers those it is sure of, and offloads the rest over MQTT. Every sample gets an
 * answer: the cloud's, or at its deadline the device's own, marked unconfirmed.
 */
import { randomInt } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { requireHybrid } from "../bundle/manifest.ts";
import type { EdgeResult, Engine } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import { closeConnection, openConnection } from "../wire/connection.ts";
import { untilDeadline } from "../wire/expiry.ts";
import { decodeResult, encodeOffload, type Result } from "../wire/frames.ts";
import { checkName, offloadTopic, resultTopic } from "../wire/topics.ts";
import { Gate } from "./gate.ts";
import { type Backoff, Offers } from "./offers.ts";

export interface DeviceOptions extends BrokerAccess {
  /** Its name, and its MQTT client id. */
  readonly id: string;
  /** The device's module; the client has it to itself. */
  readonly engine: Engine;
  /** Digest of the bundle, by which workers know the model. */
  readonly digest: string;
  /** Milliseconds from the edge's answer within which the cloud's is of use. Default 10,000. */
  readonly deadline?: number;
  /** Most samples that wait for the cloud; further ones wait to be taken. Default 8. */
  readonly maxInFlight?: number;
  /** Default 500 ms, doubled up to 8 s. */
  readonly backoff?: Backoff;
}

export interface Answer {
  readonly label: number;
  /** edge: the exit was sure. cloud: the worker answered. fallback: the exit's answer, because the worker did not. */
  readonly source: "edge" | "cloud" | "fallback";
  /** False for a fallback. */
  readonly confirmed: boolean;
  /** Probability of the cloud's label; undefined unless the source is the cloud. */
  readonly confidence: number | undefined;
  readonly edge: EdgeResult;
  /** Offload frames published for it. */
  readonly attempts: number;
}

export interface DeviceCounts {
  /** Samples taken. */
  samples: number;
  /** Answered by the exit. */
  exited: number;
  /** Samples that went to the cloud. */
  offloaded: number;
  /** Offload frames published; more than `offloaded` when some had to be offered again. */
  offered: number;
  /** Bytes of those frames. */
  offeredBytes: number;
  /** Answered by the cloud. */
  answered: number;
  /** Refused or called expired by a worker; part of `unconfirmed`. */
  refused: number;
  /** Answered by the exit because the cloud did not. */
  unconfirmed: number;
  /** Results for samples that had their answer. */
  duplicates: number;
  /** Frames on the result topic that are no results for this device's model. */
  invalid: number;
}

/** A sample that the device has taken: `answer` always resolves, at the deadline at the latest. */
export interface Taken {
  readonly edge: EdgeResult;
  readonly answer: Promise<Answer>;
}

const UINT32 = 2 ** 32;

export class DeviceClient {
  readonly counts: DeviceCounts = {
    samples: 0,
    exited: 0,
    offloaded: 0,
    offered: 0,
    offeredBytes: 0,
    answered: 0,
    refused: 0,
    unconfirmed: 0,
    duplicates: 0,
    invalid: 0,
  };
  readonly #session = randomInt(UINT32);
  #next = 0;
  #edges = new Map<number, { edge: EdgeResult; payload: Uint8Array; deadline: number }>();
  #offers: Offers<Result>;
  #slots: Gate;
  /** The engine holds one sample at a time. */
  #turn = new Gate(1);
  #client: MqttClient | undefined;
  #closed = false;

  private constructor(private readonly options: DeviceOptions) {
    this.#slots = new Gate(options.maxInFlight ?? 8);
    this.#offers = new Offers(options.backoff ?? { first: 500, longest: 8_000 }, (...offer) => this.#send(...offer));
  }

  /** Throws HedgeErrors: usage (the name, the address), input (an edge-only model), network (no broker answers within seconds). */
  static async connect(options: DeviceOptions): Promise<DeviceClient> {
    checkName("device", options.id);
    requireHybrid(options.engine.manifest);
    const device = new DeviceClient(options);
    const client = await openConnection({
      broker: options.broker,
      tls: options.tls,
      name: options.id,
      prepare: (connecting) => connecting.on("message", (_topic, frame) => device.#take(frame)),
    });
    device.#client = client;
    await client.subscribeAsync(resultTopic(options.id), { qos: 1 }).catch(async (cause) => {
      await closeConnection(client, options.id);
      throw new HedgeError(
        "network",
        `The broker refuses the device ${options.id} its results: ${(cause as Error).message}.`,
        `Allow it to subscribe to ${resultTopic(options.id)}.`,
        { cause },
      );
    });
    // mqtt.js subscribes again by itself, before this: requests are handled in order.
    client.on("connect", () => setTimeout(() => device.#offers.again(), 0));
    return device;
  }

  /** Whether the broker is there at the moment. */
  get connected(): boolean {
    return this.#client?.connected === true;
  }

  /**
   * Runs a sample (8-bit integers, CHW) and offloads it if the exit is not sure. Resolves when the device can take the next one: when
   * too many wait for the cloud, only after one of them has its answer. Throws a HedgeError (usage) once closed.
   */
  async submit(input: Int8Array): Promise<Taken> {
    await this.#turn.enter();
    try {
      if (this.#closed) throw new HedgeError("usage", "The device is closed.", "Connect a new one.");
      const edge = await this.#run(input);
      this.counts.samples++;
      const { payload } = edge;
      if (edge.exited || payload === undefined) {
        this.counts.exited++;
        const { label } = edge;
        const answer = { label, source: "edge", confirmed: true, confidence: undefined, edge, attempts: 0 } as const;
        return { edge, answer: Promise.resolve(answer) };
      }
      // The clock runs while the sample waits for its turn too.
      const deadline = Date.now() + (this.options.deadline ?? 10_000);
      await this.#slots.enter();
      return { edge, answer: this.#offload(edge, payload, deadline) };
    } finally {
      this.#turn.leave();
    }
  }

  /** The answer to one sample; see `submit`. */
  async classify(input: Int8Array): Promise<Answer> {
    const { answer } = await this.submit(input);
    return answer;
  }

  /** Gives what still waits its unconfirmed answer, says goodbye to the broker and closes the engine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#offers.giveUpAll();
    // A sample that is on the engine is finished first.
    await this.#turn.enter();
    this.#offers.giveUpAll();
    this.#turn.leave();
    if (this.#client !== undefined) await closeConnection(this.#client, this.options.id);
    this.options.engine.close();
  }

  /** Between steps the event loop has its turn: a slow engine must not keep the network waiting. */
  async #run(input: Int8Array): Promise<EdgeResult> {
    const { engine } = this.options;
    engine.begin(input);
    const { steps } = engine.manifest.module;
    for (let step = 0; step < steps; step++) {
      if (engine.step()) return engine.result();
      await setImmediate();
    }
    throw new HedgeError(
      "input",
      `The module of ${engine.manifest.name} came to no result in its ${steps} steps.`,
      "Compile the bundle again from its model.",
    );
  }

  async #offload(edge: EdgeResult, payload: Uint8Array, deadline: number): Promise<Answer> {
    const sample = this.#next;
    this.#next = (this.#next + 1) % UINT32;
    this.counts.offloaded++;
    // The engine may use its memory again for the next sample.
    this.#edges.set(sample, { edge, payload: payload.slice(), deadline });
    const { result, attempts } = await this.#offers.wait(sample, deadline);
    this.#edges.delete(sample);
    this.#slots.leave();
    if (result === undefined) {
      this.counts.unconfirmed++;
      return { label: edge.label, source: "fallback", confirmed: false, confidence: undefined, edge, attempts };
    }
    this.counts.answered++;
    return { label: result.label, source: "cloud", confirmed: true, confidence: result.confidence, edge, attempts };
  }

  #send(sample: number, attempt: number): Promise<void> | undefined {
    const client = this.#client;
    const held = this.#edges.get(sample);
    // Without a connection mqtt.js would queue without bound; the offers are kept here.
    if (client === undefined || !client.connected || held === undefined) return undefined;
    const { edge, payload, deadline } = held;
    const { id, digest } = this.options;
    const { label, entropy } = edge;
    const frame = { model: digest, session: this.#session, sample, deadline, attempt, label, entropy, payload };
    const bytes = Buffer.from(encodeOffload(frame));
    this.counts.offered++;
    this.counts.offeredBytes += bytes.length;
    return client.publishAsync(offloadTopic(id), bytes, untilDeadline(client, deadline)).then(() => undefined);
  }

  /** A frame on the result topic: from outside, so anything. */
  #take(frame: Uint8Array): void {
    let result: Result;
    try {
      result = decodeResult(frame);
    } catch {
      this.counts.invalid++;
      return;
    }
    const { engine, digest } = this.options;
    if (result.model !== digest || result.label >= engine.manifest.classes.length) {
      this.counts.invalid++;
      return;
    }
    // Of an earlier life of this device.
    const own = result.session === this.#session;
    if (result.state === "answered") {
      if (!own || !this.#offers.settle(result.sample, result)) this.counts.duplicates++;
    } else if (own && this.#offers.giveUp(result.sample)) {
      this.counts.refused++;
    } else {
      this.counts.duplicates++;
    }
  }
}
