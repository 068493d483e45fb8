/**
 * Where what may end its process is run: one at a time, each alone, and only while all processes are up, so that the others suffice for the rest.
 */
import { performance } from "node:perf_hooks";
import { type CloudModel, type Member, MemberDied } from "./member.ts";
import type { Observer } from "./observer.ts";
import type { Pool } from "./pool.ts";
import type { Waiting } from "./queue.ts";
import { Recent } from "./recent.ts";

/** A sample out of a batch that failed or of a device that is suspected, or a model that is tried. */
export interface Risk {
  readonly model: CloudModel;
  /** None: the model is only loaded. */
  readonly payloads: readonly Uint8Array[];
  readonly size: number;
  /** How often it may still be begun. */
  starts: number;
  /** The sample that this is. */
  readonly sample?: Waiting;
  /** Undefined when the sample's deadline passed. */
  readonly resolve: (rows: Float32Array[] | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Devices remembered whose sample ended a process all alone, and for how many milliseconds their samples are run here from the start. */
const SUSPECTS = 1_000;
const SUSPICION = 60_000;
/** Of samples of suspected devices, most that wait. Each may cost a process. */
const SUSPECT_SAMPLES = 4;

export class RiskLane {
  readonly #waiting: Risk[] = [];
  /** By device, when it is trusted again, by `performance.now`. */
  readonly #suspects = new Recent<number>(SUSPECTS);
  #running = false;
  #closed: Error | undefined;

  /** `onIdle`: it has none in a process. */
  constructor(
    private readonly pool: Pool,
    private readonly observer: Observer,
    private readonly onIdle: () => void,
  ) {}

  /** Whether the device's samples belong here from the start. */
  suspects(device: string): boolean {
    return (this.#suspects.get(device) ?? 0) > performance.now();
  }

  /** Whether one more sample of a suspected device may wait. */
  get full(): boolean {
    return (
      this.#waiting.filter(({ sample }) => sample !== undefined && this.suspects(sample.device)).length >=
      SUSPECT_SAMPLES
    );
  }

  add(risk: Risk): void {
    if (this.#closed !== undefined) {
      risk.reject(this.#closed);
      return;
    }
    const suspect = risk.sample !== undefined && this.suspects(risk.sample.device);
    // Those that are here for their mates' sake first.
    const at = suspect
      ? -1
      : this.#waiting.findIndex(({ sample }) => sample !== undefined && this.suspects(sample.device));
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, risk);
  }

  /** Takes a free process for what is first, if it may. */
  dispatch(): void {
    if (this.#waiting.length === 0 || this.#running || this.pool.idle === 0 || this.pool.alive < this.pool.size) return;
    void this.#run(this.#waiting.shift() as Risk);
  }

  /** Answers the samples whose deadline is before `now`. */
  expire(now: number): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const { sample, resolve } = this.#waiting[i] as Risk;
      if (sample === undefined || sample.deadline >= now) continue;
      this.#waiting.splice(i, 1);
      resolve(undefined);
    }
  }

  /** Rejects what waits, and what comes. */
  close(error: Error): void {
    this.#closed = error;
    for (const risk of this.#waiting.splice(0)) risk.reject(error);
  }

  async #run(risk: Risk): Promise<void> {
    const { model, payloads, size, sample, resolve, reject } = risk;
    this.#running = true;
    const member = this.pool.claim(model) as Member;
    const began = performance.now();
    risk.starts--;
    let failure: Error | undefined;
    let rows: Float32Array[] = [];
    try {
      await member.load(model);
      if (payloads.length > 0) rows = await member.run(model, payloads, size);
    } catch (error) {
      failure = error as Error;
    }
    this.#running = false;
    if (failure instanceof MemberDied) {
      if (sample !== undefined) this.#suspects.set(sample.device, performance.now() + SUSPICION);
      if (risk.starts > 0) this.add(risk);
      else reject(failure);
    } else {
      this.pool.release(member);
      if (failure === undefined) resolve(rows);
      else reject(failure);
    }
    if (sample !== undefined) {
      const times = { queueMs: began - sample.arrived, runMs: performance.now() - began };
      this.observer.batch?.({ model: model.digest, size: 1, ...times, failed: failure !== undefined });
    }
    this.onIdle();
  }
}
