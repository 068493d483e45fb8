/** A device as its operator sees it, over its link or over MQTT: asks, matches replies to what was asked, and asks again what was lost. */
import { randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { Gate } from "../device/gate.ts";
import { HedgeError } from "../errors.ts";
import { HEADER_BYTES } from "../slot/header.ts";
import type { BrokerAccess } from "../wire/broker-access.ts";
import {
  type Answer,
  type Command,
  type Description,
  type DeviceEvent,
  decodeAnswer,
  decodeDescription,
  decodeEvent,
  EVENT_CODES,
  encodeCommand,
  type Operation,
} from "../wire/device-frames.ts";
import { type FrameKind, kindOf, UINT32 } from "../wire/fields.ts";
import { linkTransport, mqttTransport, type Transport, type TransportHandlers } from "./transport.ts";

export interface RemoteHandlers extends Omit<TransportHandlers, "onFrame"> {
  /** Every event of the device, replies to others' commands among them. */
  readonly onEvent?: (event: DeviceEvent) => void;
  /** Every answer. */
  readonly onAnswer?: (answer: Answer) => void;
}

/** Of an update: bytes of the slot's image that are on the device. */
export type UpdateProgress = (done: number, total: number) => void;

/** The device says no: `event` has the code. */
export class Refusal extends HedgeError {
  constructor(
    device: string,
    operation: Operation,
    readonly event: DeviceEvent,
  ) {
    super("input", `${device} refuses ${operation}: ${event.sentence || `code ${event.code}`}.`, remedyOf(event));
    this.name = "Refusal";
  }
}

interface Patience {
  /** Milliseconds after which it is asked again; undefined for what must not be done twice. */
  readonly again?: number;
  /** Milliseconds after which it is given up. */
  readonly total: number;
}

interface Replies {
  readonly answer: Answer;
  readonly event: DeviceEvent;
  readonly description: Description;
}

/** The reply that was wanted, or an event that says why there is none. */
type Outcome =
  | { readonly reply: Replies[keyof Replies]; readonly refusal?: undefined }
  | { readonly refusal: DeviceEvent };

interface Waiting {
  readonly wanted: FrameKind;
  readonly settle: (outcome: Outcome) => void;
  /** Of a sample: the event that says why it was not taken. */
  refusal: DeviceEvent | undefined;
}

/** Of a chunk: every device's queue holds it; a multiple of what flash is programmed by. */
const CHUNK_BYTES = 1024;
/** Chunks on their way at a time, so that the next one is there when the device has written one. */
const CHUNK_WINDOW = 2;
/** Milliseconds between the first attempts to reach a device, and until they are given up. */
const CONNECT_AGAIN = 200;
const CONNECT_WITHIN = 10_000;
const QUICK: Patience = { again: 2_000, total: 15_000 };
/** A slot is erased, or checked, before the device replies. */
const SLOW: Patience = { again: 5_000, total: 60_000 };
const SAMPLE_TIMEOUT = 60_000;
/** Samples on the way at a time, as many as a device has room for: one that runs, two that wait. Of a flood it would refuse most, and not even say so. */
const MAX_SAMPLES = 3;
const NO_ROOM = { code: EVENT_CODES.noRoom, number: 0, sentence: "the queue is full" };
const CLOSED = { code: UINT32, number: 0, sentence: "the connection to the device was closed" };
/** Milliseconds before a device whose queue was full is asked again: the first time, then twice that, up to the longest. */
const ROOM_AFTER = 50;
const ROOM_AFTER_LONGEST = 800;
/** Chunks in a row that may bring an update no further before it is given up. */
const MAX_STALLS = 10;

export class RemoteDevice {
  /** Frames that were no answer, event or description. */
  invalid = 0;
  #transport!: Transport;
  #waiting = new Map<number, Waiting>();
  #samples = new Gate(MAX_SAMPLES);
  /** Of several operators at a time each starts somewhere else. */
  #request = randomInt(1, UINT32);
  #name: string;

  private constructor(
    name: string,
    private readonly handlers: RemoteHandlers,
  ) {
    this.#name = name;
  }

  /**
   * Resolves once the device replies. Throws HedgeErrors: usage (the address), network (it does not reply `within` so many milliseconds).
   */
  static async overLink(
    address: string,
    handlers: RemoteHandlers = {},
    within = CONNECT_WITHIN,
  ): Promise<RemoteDevice> {
    const device = new RemoteDevice("The device", handlers);
    device.#transport = linkTransport(address, device.#transportHandlers());
    return device.#connected(within);
  }

  /** The same over MQTT; network also when there is no broker. */
  static async overMqtt(
    access: BrokerAccess,
    id: string,
    handlers: RemoteHandlers = {},
    within = CONNECT_WITHIN,
  ): Promise<RemoteDevice> {
    const device = new RemoteDevice(id, handlers);
    device.#transport = await mqttTransport(access, id, device.#transportHandlers());
    return device.#connected(within);
  }

  /** Its name. */
  get name(): string {
    return this.#name;
  }

  describe(): Promise<Description> {
    return this.#ask("describe", "description", QUICK);
  }

  /**
   * Runs a sample; resolves to its final answer, which may have to wait for room, and for the cloud. It is asked once, for it counts. Throws a
   * Refusal when the device does not take it.
   */
  async sample(input: Uint8Array): Promise<Answer> {
    await this.#samples.enter();
    try {
      return await this.#ask("sample", "answer", { total: SAMPLE_TIMEOUT }, { data: input });
    } finally {
      this.#samples.leave();
    }
  }

  /**
   * Brings a slot's image (header and what follows it) onto the device, which checks each chunk. Goes on where the same update was broken off
   * before. Throws a Refusal when the device does not take it.
   */
  async update(image: Uint8Array, onProgress: UpdateProgress = () => undefined): Promise<void> {
    const header = image.subarray(0, HEADER_BYTES);
    const body = image.subarray(HEADER_BYTES);
    let next = await this.#beginUpdate(header);
    let sent = next;
    let window = CHUNK_WINDOW;
    let stalls = 0;
    const replies: Promise<DeviceEvent>[] = [];
    while (next < body.length) {
      onProgress(HEADER_BYTES + next, image.length);
      for (; replies.length < window && sent < body.length; sent += CHUNK_BYTES) {
        const data = body.subarray(sent, sent + CHUNK_BYTES);
        const reply = this.#ask("chunk", "event", QUICK, { number: sent, check: crc32(data), data });
        // Of several that fail the first is thrown, below.
        reply.catch(() => undefined);
        replies.push(reply);
      }
      const reply = await replies.shift()!;
      if (reply.code === EVENT_CODES.ok && reply.number > next && reply.number <= body.length) {
        next = reply.number;
        stalls = 0;
        continue;
      }
      // It started again in between, or chunks came to it damaged or out of order: it says where to go on, one by one from now on.
      await Promise.allSettled(replies.splice(0));
      if (!mayGoOn(reply) || ++stalls === MAX_STALLS) throw new Refusal(this.#name, "chunk", reply);
      next = await this.#beginUpdate(header);
      sent = next;
      window = 1;
    }
    onProgress(image.length, image.length);
  }

  /** The update is whole: the device checks it, starts again and tries it. */
  install(): Promise<DeviceEvent> {
    return this.#order("install", SLOW);
  }

  /** The model on trial is good. */
  confirm(): Promise<DeviceEvent> {
    return this.#order("confirm", QUICK);
  }

  /** The model on trial is not: the device starts again with the one before. */
  revert(): Promise<DeviceEvent> {
    return this.#order("revert", QUICK);
  }

  restart(): Promise<DeviceEvent> {
    return this.#order("restart", QUICK);
  }

  /** @param threshold of the exit, in 2^-16 nats, until the device starts again */
  setThreshold(threshold: number): Promise<DeviceEvent> {
    return this.#order("threshold", QUICK, { number: threshold });
  }

  /** Whoever still waits for a reply gets an error. */
  async close(): Promise<void> {
    await this.#transport.close();
    for (const [request, { settle }] of this.#waiting) settle({ refusal: { request, ...CLOSED } });
  }

  async #connected(total: number): Promise<RemoteDevice> {
    try {
      this.#name = (await this.#ask("describe", "description", { again: CONNECT_AGAIN, total })).device;
      return this;
    } catch (error) {
      await this.#transport.close();
      throw error;
    }
  }

  async #beginUpdate(header: Uint8Array): Promise<number> {
    return (await this.#order("update", SLOW, { data: header })).number;
  }

  /** Asks for what is answered by an event; throws a Refusal unless that says OK. */
  async #order(operation: Operation, patience: Patience, fields: Partial<Command> = {}): Promise<DeviceEvent> {
    const event = await this.#ask(operation, "event", patience, fields);
    if (event.code !== EVENT_CODES.ok) throw new Refusal(this.#name, operation, event);
    return event;
  }

  /**
   * Sends a command until its reply comes: again after a while, since frames may be lost, and again when the device had no room for it.
   * Throws HedgeErrors: network (no reply in time), and a Refusal where another reply was wanted than an event.
   */
  async #ask<Kind extends keyof Replies>(
    operation: Operation,
    wanted: Kind,
    patience: Patience,
    fields: Partial<Command> = {},
  ): Promise<Replies[Kind]> {
    const request = this.#request;
    this.#request = request === UINT32 ? 1 : request + 1;
    const command = encodeCommand({ number: 0, check: 0, data: new Uint8Array(), ...fields, request, operation });
    const until = Date.now() + patience.total;
    let pause = ROOM_AFTER;
    try {
      for (;;) {
        const wait = Math.min(patience.again ?? patience.total, until - Date.now());
        if (wait <= 0) throw this.#silence(operation, patience);
        const reply = this.#reply(request, wanted, wait);
        this.#transport.send(command);
        const outcome = await reply;
        if (outcome === undefined) continue;
        if (outcome.refusal === undefined) return outcome.reply as Replies[Kind];
        if (outcome.refusal.code !== EVENT_CODES.noRoom) throw new Refusal(this.#name, operation, outcome.refusal);
        await setTimeout(pause);
        pause = Math.min(2 * pause, ROOM_AFTER_LONGEST);
      }
    } finally {
      this.#waiting.delete(request);
    }
  }

  /** The reply to a request, or what the device says instead; undefined when neither comes in time. */
  #reply(request: number, wanted: FrameKind, wait: number): Promise<Outcome | undefined> {
    return new Promise((resolve) => {
      const timer = global.setTimeout(resolve, wait, undefined);
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      this.#waiting.set(request, { wanted, settle, refusal: undefined });
    });
  }

  #silence(operation: Operation, { total }: Patience): HedgeError {
    const trouble = this.#transport.trouble();
    const where = this.#transport.name;
    return new HedgeError(
      "network",
      `${this.#name} did not answer ${operation} within ${total / 1000} s over ${where}${trouble ? ` (${trouble})` : ""}.`,
      "See whether it runs, and whether something else holds its link: hedge monitor shows what it says.",
    );
  }

  #transportHandlers(): TransportHandlers {
    const { onLog, onStatus } = this.handlers;
    return { onLog, onStatus, onFrame: (frame) => this.#take(frame) };
  }

  /** A frame from the device, or whoever says so: anything. */
  #take(frame: Uint8Array): void {
    const kind = kindOf(frame);
    try {
      if (kind === "answer") this.#takeAnswer(decodeAnswer(frame));
      else if (kind === "event") this.#takeEvent(decodeEvent(frame));
      else if (kind === "description") this.#settle(kind, decodeDescription(frame));
      // Offloads are for workers; over a link they are seen, too.
      else if (kind !== "offload") this.invalid++;
    } catch (error) {
      if (!(error instanceof HedgeError)) throw error;
      this.invalid++;
    }
  }

  #takeAnswer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.request);
    this.handlers.onAnswer?.(answer);
    if (answer.source !== "notTaken") this.#settle("answer", answer);
    // The event that says why came before; where it was lost, there was no room for it either.
    else waiting?.settle({ refusal: waiting.refusal ?? { ...NO_ROOM, request: answer.request } });
  }

  #takeEvent(event: DeviceEvent): void {
    const waiting = this.#waiting.get(event.request);
    this.handlers.onEvent?.(event);
    if (waiting === undefined) return;
    // The answer that follows ends the wait for one.
    if (waiting.wanted === "answer") waiting.refusal = event;
    else if (waiting.wanted === "event" && event.code !== EVENT_CODES.noRoom) waiting.settle({ reply: event });
    else waiting.settle({ refusal: event });
  }

  #settle(kind: FrameKind, reply: Replies[keyof Replies]): void {
    const waiting = this.#waiting.get(reply.request);
    if (waiting?.wanted === kind) waiting.settle({ reply });
  }
}

/** A chunk that the device did not take where beginning again tells where to go on. */
function mayGoOn({ code }: DeviceEvent): boolean {
  return code === EVENT_CODES.ok || code === EVENT_CODES.noUpdate || code === EVENT_CODES.badChunk;
}

function remedyOf({ code }: DeviceEvent): string {
  return REMEDIES.get(code) ?? "See its log (hedge monitor), and what it runs (hedge board status).";
}

const REMEDIES: ReadonlyMap<number, string> = new Map([
  [EVENT_CODES.tooLarge, "Take a smaller model, or a board with more memory."],
  [EVENT_CODES.unknownKey, "Sign it with a key that the device trusts: hedge sign."],
  [EVENT_CODES.badSignature, "Sign it again: hedge sign."],
  [EVENT_CODES.badHash, "Send it again; if that does not help, sign it again: hedge sign."],
  [EVENT_CODES.oldCounter, "Sign it with a counter above that of the device's model: hedge sign --counter."],
  [EVENT_CODES.rejected, "The device gave this one up before: mend the model, and sign it with a higher counter."],
  [EVENT_CODES.noUpdate, "Begin the update again."],
  [EVENT_CODES.noTrial, "A confirmed model is replaced by a newer one: hedge flash."],
  [EVENT_CODES.onTrial, "Wait until it is confirmed or given up, which the device does by itself, and try again."],
  [EVENT_CODES.noModel, "Install a model first: hedge flash."],
  [EVENT_CODES.wrongSize, "Give samples of the size that the device's model takes."],
]);
