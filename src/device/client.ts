/**
 * The edge client: runs samples on an engine, answers those it is sure of, and offloads the rest over MQTT. Every sample gets an
 * answer: the cloud's, or at its deadline the device's own, marked unconfirmed.
 */
import { randomInt } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { type Manifest, requireHybrid } from "../bundle/manifest.ts";
import type { EdgeResult, Engine } from "../engine/engine.ts";
import { HedgeError } from "../errors.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import { closeConnection, openConnection } from "../wire/connection.ts";
import { untilDeadline } from "../wire/expiry.ts";
import { decodeResult, encodeOffload, type Result } from "../wire/frames.ts";
import { checkName, offloadTopic, resultTopic } from "../wire/topics.ts";
import { Gate } from "./gate.ts";
import { type Backoff, Offers } from "./offers.ts";

/** What runs a device's samples where it has no engine to itself, as in a fleet. */
export interface EdgeRunner {
  readonly manifest: Manifest;
  /** One sample at a time, each settled before the next is begun. */
  run(input: Int8Array): Promise<EdgeResult>;
  close(): void;
}

/** What lies between a device and the broker beside the network, as in a fleet whose links are shaped. */
export interface DeviceLink {
  /** False while nothing passes: the device knows, and offers nothing. Call the client's `linkIsBack` afterwards. */
  readonly there: boolean;
  /** An offload of so many bytes leaves: calls `deliver` when it has passed, or never. */
  up(bytes: number, deliver: () => void): void;
  /** A result of so many bytes came. */
  down(bytes: number, deliver: () => void): void;
}

export interface DeviceOptions extends BrokerAccess {
  /** Its name, and its MQTT client id. */
  readonly id: string;
  /** The device's module; the client has it to itself. */
  readonly engine: Engine | EdgeRunner;
  /** Digest of the bundle, by which workers know the model. */
  readonly digest: string;
  /** Milliseconds from the edge's answer within which the cloud's is of use. Default 10,000. */
  readonly deadline?: number;
  /** Most samples that wait for the cloud; further ones wait to be taken. Default 8. */
  readonly maxInFlight?: number;
  /** Default 500 ms, doubled up to 8 s. */
  readonly backoff?: Backoff;
  /** Default: nothing but the network. */
  readonly link?: DeviceLink;
  /** Milliseconds by which the device's clock is ahead of this machine's, at the moment. Default 0. */
  readonly clockError?: () => number;
}

/** Why the cloud did not answer: it called the sample expired, or refused it; or nothing came until the deadline, or the end of the device. */
export type FallbackReason = "expired" | "refused" | "deadline";

export interface Answer {
  readonly label: number;
  /** edge: the exit was sure. cloud: the worker answered. fallback: the exit's answer, because the worker did not. */
  readonly source: "edge" | "cloud" | "fallback";
  /** False for a fallback. */
  readonly confirmed: boolean;
  /** Of a fallback. */
  readonly reason?: FallbackReason;
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

/** Of a sample that waits for the cloud. */
interface Held {
  readonly edge: EdgeResult;
  readonly payload: Uint8Array;
  /** By this machine's clock, and as the device tells it: by its own. */
  readonly deadline: number;
  readonly told: number;
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
  #edges = new Map<number, Held>();
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
      prepare: (connecting) => connecting.on("message", (_topic, frame) => device.#receive(frame)),
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

  /** The link is there again: what waits for the cloud is offered at once. */
  linkIsBack(): void {
    this.#offers.again();
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
    if ("run" in engine) return engine.run(input);
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
    const told = Math.max(0, Math.round(deadline + (this.options.clockError?.() ?? 0)));
    this.#edges.set(sample, { edge, payload: payload.slice(), deadline, told });
    const { result, attempts } = await this.#offers.wait(sample, deadline);
    this.#edges.delete(sample);
    this.#slots.leave();
    if (result?.state !== "answered") {
      this.counts.unconfirmed++;
      const reason = result?.state ?? "deadline";
      return { label: edge.label, source: "fallback", confirmed: false, reason, confidence: undefined, edge, attempts };
    }
    this.counts.answered++;
    return { label: result.label, source: "cloud", confirmed: true, confidence: result.confidence, edge, attempts };
  }

  #send(sample: number, attempt: number): Promise<void> | undefined {
    const client = this.#client;
    const held = this.#edges.get(sample);
    // Without a connection mqtt.js would queue without bound; the offers are kept here.
    if (client === undefined || !client.connected || held === undefined) return undefined;
    const { edge, payload, deadline, told } = held;
    const { id, digest, link } = this.options;
    if (link?.there === false) return undefined;
    const { label, entropy } = edge;
    const frame = { model: digest, session: this.#session, sample, deadline: told, attempt, label, entropy, payload };
    const bytes = Buffer.from(encodeOffload(frame));
    this.counts.offered++;
    this.counts.offeredBytes += bytes.length;
    const publish = () =>
      client.publishAsync(offloadTopic(id), bytes, untilDeadline(client, deadline)).then(() => undefined);
    if (link === undefined) return publish();
    return new Promise((resolve, reject) => link.up(bytes.length, () => publish().then(resolve, reject)));
  }

  #receive(frame: Uint8Array): void {
    const { link } = this.options;
    if (link === undefined) this.#take(frame);
    else link.down(frame.length, () => this.#take(frame));
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
    if (!own || !this.#offers.settle(result.sample, result)) this.counts.duplicates++;
    else if (result.state !== "answered") this.counts.refused++;
  }
}
