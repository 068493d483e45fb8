/** Virtual time: what happens next. */

/** What an event does; a promise where it has to wait for a computation. */
export type Action<Subject> = (subject: Subject) => void | Promise<void>;

const FIRST_ROOM = 1024;

/**
 * Events in order of time, and of insertion where times are equal. A binary heap in arrays side by side: an event is no object, so that a
 * hundred thousand devices' next events are a few megabytes.
 */
export class Timeline {
  /** Milliseconds. */
  now = 0;
  /** Events that happened. */
  happened = 0;
  #size = 0;
  #inserted = 0;
  #times = new Float64Array(FIRST_ROOM);
  #orders = new Float64Array(FIRST_ROOM);
  #actions: Action<never>[] = [];
  #subjects: unknown[] = [];

  get size(): number {
    return this.#size;
  }

  /** `time` may not be before now; Infinity never comes, and is not kept. */
  at<Subject>(time: number, action: Action<Subject>, subject: Subject): void {
    if (!(time >= this.now)) throw new Error(`An event at ${time} ms was scheduled at ${this.now} ms.`);
    if (time === Number.POSITIVE_INFINITY) return;
    if (this.#size === this.#times.length) this.#grow();
    let hole = this.#size++;
    const order = this.#inserted++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#times[parent]! <= time) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, time, order, action as Action<never>, subject);
  }

  /** Takes the next event and lets it happen; false when there is none. A promise is to be awaited before the one after. */
  step(): boolean | Promise<void> {
    if (this.#size === 0) return false;
    const [time, action, subject] = [this.#times[0]!, this.#actions[0]!, this.#subjects[0]];
    this.#takeFirst();
    this.now = time;
    this.happened++;
    return action(subject as never) ?? true;
  }

  #takeFirst(): void {
    const last = --this.#size;
    const [time, order] = [this.#times[last]!, this.#orders[last]!];
    const [action, subject] = [this.#actions[last]!, this.#subjects[last]];
    this.#subjects[last] = undefined;
    if (last === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(child + 1, this.#times[child]!, this.#orders[child]!)) child++;
      if (!this.#before(child, time, order)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, time, order, action, subject);
  }

  #before(place: number, time: number, order: number): boolean {
    const other = this.#times[place]!;
    return other < time || (other === time && this.#orders[place]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#actions[from]!, this.#subjects[from]);
  }

  #put(place: number, time: number, order: number, action: Action<never>, subject: unknown): void {
    this.#times[place] = time;
    this.#orders[place] = order;
    this.#actions[place] = action;
    this.#subjects[place] = subject;
  }

  #grow(): void {
    const [times, orders] = [this.#times, this.#orders];
    this.#times = new Float64Array(2 * times.length);
    this.#orders = new Float64Array(2 * orders.length);
    this.#times.set(times);
    this.#orders.set(orders);
  }
}
