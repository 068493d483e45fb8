/** Records on their way to the database: a queue of bounded length, and the batches that were taken from it and are not in yet. */
import type { HistoryRecord } from "./records.ts";
import { Ring } from "./ring.ts";

/** Records of one transaction. */
export const BATCH = 500;

export interface Batch {
  readonly records: readonly HistoryRecord[];
  /** Under which the database knows them: each batch that is attempted for the first time has a higher one. */
  readonly number: number;
}

/** offered = written + dropped + refused + waiting. */
export interface Counts {
  readonly offered: number;
  readonly written: number;
  /** Never written, because the queue was full or the history closed. */
  readonly dropped: number;
  /** Records that the database did not take. */
  readonly refused: number;
}

export class Backlog {
  readonly #ring: Ring<HistoryRecord>;
  /** Taken from the queue; more than one while a batch is searched for the record that is refused. */
  #parts: (readonly HistoryRecord[])[] = [];
  /** Of the first part, once it was attempted. */
  #number: number | undefined;
  #nextNumber = 1;
  #counts = { offered: 0, written: 0, dropped: 0, refused: 0 };

  constructor(capacity: number) {
    this.#ring = new Ring(capacity);
  }

  get counts(): Counts {
    return this.#counts;
  }

  /** Records that are in no batch yet. */
  get queued(): number {
    return this.#ring.length;
  }

  get waiting(): number {
    return this.#ring.length + this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes a record; if there is no room, the oldest makes some. */
  offer(record: HistoryRecord): void {
    this.#counts.offered++;
    if (this.#ring.push(record)) this.#counts.dropped++;
  }

  /** A record that comes too late. */
  decline(): void {
    this.#counts.offered++;
    this.#counts.dropped++;
  }

  /** The oldest records, the same until they are written or refused; undefined when nothing waits. */
  next(): Batch | undefined {
    if (this.#parts.length === 0 && this.#ring.length > 0) this.#parts.push(this.#ring.take(BATCH));
    const [records] = this.#parts;
    if (records === undefined) return undefined;
    this.#number ??= this.#nextNumber++;
    return { records, number: this.#number };
  }

  /** The batch that `next` gave is in. */
  written(): void {
    this.#counts.written += this.#take().length;
  }

  /**
   * The batch that `next` gave is not taken: its halves are the next ones, so that one record does not take along those that came with it.
   * @returns the record, when it was alone
   */
  refused(): HistoryRecord | undefined {
    const records = this.#take();
    if (records.length === 1) {
      this.#counts.refused++;
      return records[0];
    }
    const middle = Math.ceil(records.length / 2);
    this.#parts.unshift(records.slice(0, middle), records.slice(middle));
    return undefined;
  }

  /** Gives up all that waits. */
  drop(): void {
    this.#counts.dropped += this.waiting;
    this.#parts = [];
    this.#ring.take(this.#ring.length);
  }

  #take(): readonly HistoryRecord[] {
    this.#number = undefined;
    return this.#parts.shift() ?? [];
  }
}
