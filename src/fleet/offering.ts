/** A simulated device's side of offloading, as src/device does it: held until the answer or the deadline, and offered again meanwhile. */
import type { EdgeAnswer } from "./answers.ts";
import { type Clock, clockOf } from "./clock.ts";
import { ACKNOWLEDGEMENT_BYTES } from "./frame-bytes.ts";
import { Link } from "./link.ts";
import type { Offload, Reply, Sample } from "./offload.ts";
import { DeviceStreams } from "./random.ts";
import type { FallbackReason } from "./result.ts";
import { deviceName } from "./spec.ts";
import type { GroupWorld } from "./world.ts";

/** A sample that is ready to be offered; its deadline runs already. */
export interface Unsure {
  readonly sample: Sample;
  readonly answer: EdgeAnswer;
  /** Virtual time. */
  readonly expires: number;
  /** By the device's clock. */
  readonly deadline: number;
}

/** What offering does to the device: bytes on its radio, a place that is free again. */
export interface Holder {
  /** Where it is not, nothing waits any more. */
  readonly up: boolean;
  /** It has a sample that waits for a place. */
  readonly waits: boolean;
  radio(bytes: number): void;
  freed(): void;
}

export class Offering {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #open: Offload[] = [];
  readonly #nameLength: number;
  #session: number;
  #count = 0;
  /** When the connection is back that is waited for. */
  #back = Number.NEGATIVE_INFINITY;

  /** @param place of the device in the fleet */
  constructor(
    private readonly world: GroupWorld,
    private readonly place: number,
    private readonly holder: Holder,
  ) {
    const { spec } = world.group;
    this.#link = new Link(spec.link, world.streams, place, world.outagesOf(place));
    this.#clock = clockOf(spec.clock, world.streams, place);
    this.#nameLength = deviceName(spec, place - world.group.firstDevice).length;
    this.#session = world.streams.word(DeviceStreams.of(place, "life"));
  }

  /** As many wait for the cloud as may. */
  get full(): boolean {
    return this.#open.length >= this.world.group.spec.maxInFlight;
  }

  /** The exit is not sure of it: from now on its deadline runs. */
  unsure(sample: Sample, answer: EdgeAnswer): Unsure {
    const { now } = this.world.timeline;
    const { deadline } = this.world.group.spec;
    return { sample, answer, expires: now + deadline, deadline: this.#clock(now) + deadline };
  }

  add({ sample, answer, expires, deadline }: Unsure): void {
    const { timeline, group } = this.world;
    const offload: Offload = {
      place: sample.place,
      arrived: sample.arrived,
      answer,
      bundle: group.bundle,
      session: this.#session,
      number: this.#count++,
      deadline,
      expires,
      attempts: 0,
      retryAt: 0,
      open: true,
      jobs: [],
      offering: this,
    };
    this.#open.push(offload);
    timeline.at(Math.max(timeline.now, expires), Offering.#expire, offload);
    this.#offer(offload);
  }

  /** The device starts again: what waited is lost, and what comes for it means nothing to the next life. */
  restart(): void {
    this.#session = this.world.streams.word(DeviceStreams.of(this.place, "life"));
    this.#count = 0;
    for (const offload of this.#open.splice(0)) {
      offload.open = false;
      this.lost(offload, offload.answer);
    }
  }

  /** A sample of which the exit was not sure, and nobody else was asked. */
  lost(sample: Sample, answer: EdgeAnswer): void {
    this.world.ledger.fallback("lost", this.world.answered(sample, answer.label));
  }

  /** A worker's word has come to the broker. */
  reply(reply: Reply): void {
    const { timeline } = this.world;
    if (!this.#link.connected(timeline.now)) return;
    const arrives = this.#link.send("down", timeline.now, this.#bytesOf(reply));
    if (arrives !== undefined) timeline.at(arrives, Offering.#receive, reply);
  }

  static #receive(reply: Reply): void {
    const { offload, state, label } = reply;
    const { world, holder } = offload.offering;
    if (!holder.up) return;
    const bytes = offload.offering.#bytesOf(reply);
    world.ledger.bytes(world.timeline.now, ACKNOWLEDGEMENT_BYTES, bytes);
    if (state !== "answered") offload.offering.#fallBack(offload, state);
    else if (offload.offering.#close(offload)) world.cloudAnswered(offload, label);
    holder.radio(bytes + ACKNOWLEDGEMENT_BYTES);
  }

  #bytesOf({ offload, state, label, ms }: Reply): number {
    const { session, number } = offload;
    return this.world.frames.result(this.#nameLength, state === "answered", session, number, label, ms);
  }

  static #expire(offload: Offload): void {
    const { offering } = offload;
    if (offering.holder.up) offering.#fallBack(offload, "deadline");
  }

  static #retry(offload: Offload): void {
    const { offering } = offload;
    // It may have been offered in between, when the connection came back.
    if (offload.open && offload.retryAt === offering.world.timeline.now && offering.holder.up) offering.#offer(offload);
  }

  #offer(offload: Offload): void {
    const { timeline, streams, group } = this.world;
    const { now } = timeline;
    const { first, longest } = group.spec.backoff;
    const bytes = this.#link.connected(now) ? this.#send(offload, now) : 0;
    const delay = Math.min(longest, first * 2 ** Math.max(0, offload.attempts - 1));
    offload.retryAt = now + delay * (0.75 + streams.real(DeviceStreams.of(this.place, "backoff")) / 2);
    if (offload.retryAt < offload.expires) timeline.at(offload.retryAt, Offering.#retry, offload);
    this.#awaitReturn(now);
    // Last, for it may be the battery's end.
    if (bytes > 0) this.holder.radio(bytes);
  }

  /** @returns bytes on the radio */
  #send(offload: Offload, now: number): number {
    const { frames, ledger, timeline, cloud } = this.world;
    const { session, number, answer } = offload;
    const attempt = ++offload.attempts;
    const numbers = { session, sample: number, attempt, label: answer.label, entropy: answer.entropy };
    const bytes = frames.offload(this.#nameLength, numbers);
    ledger.offered(now, bytes);
    const arrives = this.#link.send("up", now, bytes);
    if (arrives === undefined) return bytes;
    timeline.at(arrives, cloud.arrive, offload);
    ledger.bytes(now, 0, ACKNOWLEDGEMENT_BYTES);
    return bytes + ACKNOWLEDGEMENT_BYTES;
  }

  /** What the broker had may be gone when it is back: everything is offered again. */
  #awaitReturn(now: number): void {
    if (this.#back > now) return;
    this.#back = this.#link.comesBack(now);
    this.world.timeline.at(this.#back, Offering.#again, this);
  }

  static #again(offering: Offering): void {
    if (!offering.holder.up) return;
    for (const offload of [...offering.#open]) if (offload.open) offering.#offer(offload);
  }

  static #freed(offering: Offering): void {
    offering.holder.freed();
  }

  #fallBack(offload: Offload, reason: FallbackReason): void {
    if (!this.#close(offload)) return;
    this.world.ledger.fallback(reason, this.world.answered(offload, offload.answer.label));
  }

  /** False when it had its answer before. */
  #close(offload: Offload): boolean {
    if (!offload.open) return false;
    offload.open = false;
    this.#open.splice(this.#open.indexOf(offload), 1);
    // When all else of this moment is done.
    if (this.holder.waits) this.world.timeline.at(this.world.timeline.now, Offering.#freed, this);
    return true;
  }
}
