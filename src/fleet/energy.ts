/** What a device uses, and what its battery holds. Joules, watts; times in milliseconds. */
import type { BatterySpec, EnergySpec } from "./spec-group.ts";

export interface Used {
  /** By the module, by the radio, by the rest. */
  readonly inference: number;
  readonly radio: number;
  readonly sleep: number;
}

const DAYS_OF_SELF_DISCHARGE = 30;
export const DAY = 864e5;

/**
 * Reckons between one look and the next: a device's power is constant in between, so that the moment when its battery went empty is exact
 * though nobody looked.
 */
export class EnergyMeter {
  #inference = 0;
  #radio = 0;
  #sleep = 0;
  #charge: number;
  /** When somebody looked last. */
  #looked = 0;
  #up = 0;
  /** Until when the radio is awake. */
  #awake = Number.NEGATIVE_INFINITY;
  /** The module runs. */
  computing = false;
  /** Uses nothing: its battery is empty. */
  off = false;

  /** @param until from then on no time is counted: the run is over, and only what is under way is settled */
  constructor(
    private readonly spec: EnergySpec,
    private readonly battery: BatterySpec | undefined,
    private readonly until: number,
  ) {
    this.#charge = battery === undefined ? Number.POSITIVE_INFINITY : battery.capacity * battery.level;
  }

  /** Time goes on to `now`. @returns when the battery went empty on the way; undefined if it did not */
  look(now: number): number | undefined {
    const from = Math.min(this.#looked, this.until);
    const time = Math.min(now, this.until) - from;
    this.#looked = now;
    if (!(time > 0)) return undefined;
    const power = this.off ? 0 : this.computing ? this.spec.active : this.spec.sleep;
    const drain = power + this.#leak;
    let running = this.off ? 0 : time;
    let empty: number | undefined;
    if (!this.off && drain > 0 && this.#charge <= (drain * time) / 1e3) {
      running = (1e3 * this.#charge) / drain;
      empty = from + running;
    }
    this.#charge = this.#after(drain, empty === undefined ? time : running);
    this.#up += running;
    if (this.computing) this.#inference += (power * running) / 1e3;
    else this.#sleep += (power * running) / 1e3;
    if (empty !== undefined) {
      this.goOff();
      // What charges it does so from then on.
      this.#charge = this.#after(this.#leak, time - running);
    }
    return empty;
  }

  /** A frame is sent or received. @returns whether that emptied the battery */
  radio(now: number, bytes: number): boolean {
    const { radioByte, radioWake, radioAwake } = this.spec;
    const joules = bytes * radioByte + (now > this.#awake ? radioWake : 0);
    this.#awake = now + radioAwake;
    this.#radio += joules;
    this.#charge -= joules;
    return this.#charge <= 0;
  }

  goOff(): void {
    this.off = true;
    this.computing = false;
    this.#charge = 0;
    this.#awake = Number.NEGATIVE_INFINITY;
  }

  /** Milliseconds until an empty battery holds enough to start again; Infinity where nothing charges it. */
  get untilRestart(): number {
    const { battery } = this;
    if (battery === undefined || this.#leak >= 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, (1e3 * (battery.capacity * battery.restart - this.#charge)) / -this.#leak);
  }

  get used(): Used {
    return { inference: this.#inference, radio: this.#radio, sleep: this.#sleep };
  }

  /** Days that a full battery lasts at the pace so far; undefined without a battery, or while it charges faster than it empties. */
  get batteryDays(): number | undefined {
    const { battery } = this;
    if (battery === undefined || this.#up === 0) return undefined;
    const { inference, radio, sleep } = this.used;
    const watts = (1e3 * (inference + radio + sleep)) / this.#up + this.#leak;
    return watts > 0 ? (1e3 * battery.capacity) / watts / DAY : undefined;
  }

  /** What the battery loses by itself, less what charges it: watts. */
  get #leak(): number {
    const { battery } = this;
    if (battery === undefined) return 0;
    const days = DAYS_OF_SELF_DISCHARGE * (DAY / 1e3);
    return (battery.capacity * battery.selfDischarge) / days - battery.harvest;
  }

  #after(drain: number, time: number): number {
    const charge = this.#charge - (drain * time) / 1e3;
    return this.battery === undefined ? charge : Math.min(Math.max(0, charge), this.battery.capacity);
  }
}
