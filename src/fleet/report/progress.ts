/** Where a run is, in one line. */
import type { FleetProgress } from "../simulate.ts";
import { deviceCount, type FleetSpec } from "../spec.ts";
import { count, percent, seconds } from "./format.ts";

/** Seconds over which a pace is taken, and between two looks at it. */
const WINDOW = 5;
const LOOK = 0.1;
/** Share of the run before which nobody can say when it ends. */
const MEANINGFUL = 0.01;

export class RunProgress {
  readonly #devices: number;
  readonly #started = performance.now();
  /** Seconds here, and samples settled by then: the first is as old as the window, or the run. */
  readonly #marks: { readonly at: number; readonly samples: number }[] = [];
  #text = "";

  constructor(private readonly spec: FleetSpec) {
    this.#devices = deviceCount(spec);
  }

  /** The line; runs tell their progress more often than it is worth looking at. */
  of({ clock, duration, samples }: FleetProgress): string {
    const at = (performance.now() - this.#started) / 1e3;
    if (at < (this.#marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) + LOOK) return this.#text;
    this.#marks.push({ at, samples });
    while (this.#marks.length > 2 && this.#marks[1]!.at < at - WINDOW) this.#marks.shift();
    const { at: from, samples: before } = this.#marks[0]!;
    const pace = at > from ? `, ${count((samples - before) / (at - from))}/s` : "";
    const done = Math.min(1, clock / duration);
    const left = done > MEANINGFUL && done < 1 ? `, ${seconds((at * (1 - done)) / done)} left` : "";
    this.#text = `${this.spec.name}: ${seconds(clock)} of ${seconds(duration)} (${percent(done)}), ${count(this.#devices)} devices, ${count(samples)} samples${pace}${left}`;
    return this.#text;
  }
}
