/**
 * The record of what happened. Whoever tells it something goes on at once: records wait in a queue of bounded length, a loop writes them in
 * batches, and a database that is slow or gone costs records, the oldest first, and no answer.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Observer } from "../cloud/observer.ts";
import { type HistoryAddress, parseAddress } from "./address.ts";
import { Database, type DatabaseLimits } from "./database.ts";
import { historyError, isAboutRows } from "./errors.ts";
import { migrate } from "./migrate.ts";
import type { HistoryRecord } from "./records.ts";
import { checkRetention, prune, type Retention, tidy } from "./retention.ts";
import { Ring } from "./ring.ts";
import { writeBatch } from "./write.ts";

export interface HistoryOptions {
  /** A folder, or `postgres://user@host:5432/database`. */
  readonly url: string;
  /** What is let go, now and then. Default: nothing. */
  readonly retention?: Retention;
  /** Most records that wait for the database. Default 20,000. */
  readonly capacity?: number;
  readonly limits?: DatabaseLimits;
  readonly log: Logger;
}

/** offered = written + dropped + refused + waiting. */
export interface HistoryStatus {
  readonly connected: boolean;
  /** The address without its secrets. */
  readonly at: string;
  readonly offered: number;
  readonly written: number;
  /** Never written, because the queue was full or the history closed. */
  readonly dropped: number;
  /** Records that the database did not take. */
  readonly refused: number;
  readonly waiting: number;
  /** What keeps records from being written; empty while nothing does. */
  readonly trouble: string;
}

/** Records of one transaction. */
const BATCH = 500;
/** Milliseconds that the first record of a batch waits for company. */
const GATHER = 200;
/** Milliseconds before the database is tried again: the first, and the longest after doubling. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 15_000;
/** Milliseconds from opening to the first application of the retention, and between two. */
const FIRST_PRUNE = 60_000;
const PRUNE_PERIOD = 10 * 60_000;
/** Milliseconds that closing waits for records to be written. */
const CLOSE_TIMEOUT = 10_000;
/** A folder's log grows until somebody says so: a server does that by itself. Some 20 MB of it. */
const CHECKPOINT_RECORDS = 20_000;
const DEFAULT_CAPACITY = 20_000;
const HEAD_BYTES = 64;

/** Records on their way. */
interface Batch {
  readonly records: readonly HistoryRecord[];
  /** Under which the database knows them, from the first attempt on: later ones have higher numbers. */
  number?: number;
}

/**
 * Does not wait for the database: while it is away, it is tried again and again.
 * @throws HedgeError (usage) for an address that is none, or a retention that it cannot have
 */
export function openHistory(options: HistoryOptions): History {
  const address = parseAddress(options.url);
  checkRetention(options.url, options.retention ?? {});
  return new History(address, options);
}

export class History {
  readonly #address: HistoryAddress;
  readonly #retention: Retention;
  readonly #limits: DatabaseLimits | undefined;
  readonly #log: Logger;
  readonly #ring: Ring<HistoryRecord>;
  readonly #writer = randomUUID();
  /** Taken from the queue and not yet in; more than one while a batch is searched for the row that is refused. */
  #batches: Batch[] = [];
  #nextNumber = 1;
  #counts = { offered: 0, written: 0, dropped: 0, refused: 0 };
  #connected = false;
  #trouble = "";
  #checkpointAt = CHECKPOINT_RECORDS;
  readonly #stop = new AbortController();
  #wake: () => void = () => undefined;
  #whenIdle: (() => void)[] = [];
  #ended: Promise<void>;

  /** Use openHistory. */
  constructor(address: HistoryAddress, { retention = {}, capacity = DEFAULT_CAPACITY, limits, log }: HistoryOptions) {
    this.#address = address;
    this.#retention = retention;
    this.#limits = limits;
    this.#log = log;
    this.#ring = new Ring(capacity);
    this.#ended = this.#run();
  }

  /** What a worker calls: takes note and returns. */
  readonly observer: Observer = {
    served: (sample) => this.record({ kind: "served", sample }),
    // The letter's head is a part of the whole message, which must not be kept for it.
    dead: (letter, at) =>
      this.record({ kind: "dead", at, letter: { ...letter, head: letter.head.slice(0, HEAD_BYTES) } }),
    model: (event) => this.record({ kind: "model", event }),
  };

  /** Takes note of something and returns; after `close` it is dropped. */
  record(record: HistoryRecord): void {
    this.#counts.offered++;
    if (this.#closing || this.#ring.push(record)) this.#counts.dropped++;
    if (this.#ring.length === 1 || this.#ring.length === BATCH) this.#wake();
  }

  status(): HistoryStatus {
    return {
      connected: this.#connected,
      at: this.#address.shown,
      ...this.#counts,
      waiting: this.#waiting,
      trouble: this.#trouble,
    };
  }

  /** Resolves when nothing waits to be written: while the database is away, not before it is back or the history is closed. */
  flush(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#wake();
    });
  }

  /** Writes what waits, if the database is there and takes it soon; the rest is dropped. */
  async close(): Promise<void> {
    if (!this.#closing) {
      if (this.#trouble === "") await Promise.race([this.flush(), pause(CLOSE_TIMEOUT)]);
      this.#stop.abort();
      this.#wake();
    }
    await this.#ended;
  }

  get #closing(): boolean {
    return this.#stop.signal.aborted;
  }

  get #waiting(): number {
    return this.#ring.length + this.#batches.reduce((sum, { records }) => sum + records.length, 0);
  }

  async #run(): Promise<void> {
    let delay = FIRST_PAUSE;
    while (!this.#closing) {
      const database = await this.#open();
      if (database !== undefined) {
        const before = this.#counts.written;
        await this.#write(database);
        this.#connected = false;
        await (database.lost ? database.abandon() : database.close());
        // One that comes up and fails at once is as bad as one that does not come up.
        if (this.#counts.written > before) delay = FIRST_PAUSE;
      }
      if (this.#closing) break;
      await this.#sleep(delay, () => false);
      delay = Math.min(2 * delay, LONGEST_PAUSE);
    }
    this.#counts.dropped += this.#waiting;
    this.#batches = [];
    this.#ring.take(this.#ring.length);
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #open(): Promise<Database | undefined> {
    let database: Database | undefined;
    try {
      database = await Database.open(this.#address, this.#limits, this.#stop.signal);
      database.onLost = () => this.#wake();
      const before = await migrate(database, this.#address.shown);
      this.#connected = true;
      this.#tell(undefined);
      this.#log.info({ history: this.#address.shown, schemaBefore: before }, "history open");
      return database;
    } catch (error) {
      this.#tell(error);
      await database?.close();
      return undefined;
    }
  }

  /** Until the history is closed, or the database fails in a way that another connection may mend. */
  async #write(database: Database): Promise<void> {
    let pruneAt = Date.now() + FIRST_PRUNE;
    try {
      while (!this.#closing && !database.lost) {
        await this.#sleep(Math.max(0, pruneAt - Date.now()), () => this.#waiting > 0 || database.lost !== undefined);
        await this.#gather();
        await this.#writeWaiting(database);
        if (Date.now() < pruneAt) continue;
        await prune(database, this.#retention, () => this.#writeWaiting(database));
        if ("folder" in this.#address) await tidy(database);
        pruneAt = Date.now() + PRUNE_PERIOD;
      }
      if (database.lost) this.#tell(database.lost);
    } catch (error) {
      this.#tell(error);
    }
  }

  /** Lets a batch become full, unless somebody waits for it. */
  async #gather(): Promise<void> {
    if (this.#batches.length > 0 || this.#ring.length === 0) return;
    await this.#sleep(GATHER, () => this.#ring.length >= BATCH || this.#whenIdle.length > 0);
  }

  async #writeWaiting(database: Database): Promise<void> {
    while (!this.#closing) {
      const batch = this.#batches[0] ?? this.#nextBatch();
      if (batch === undefined) break;
      batch.number ??= this.#nextNumber++;
      try {
        await writeBatch(database, { writer: this.#writer, batch: batch.number }, batch.records);
      } catch (error) {
        if (!isAboutRows(error)) throw error;
        this.#batches.shift();
        this.#divide(batch, error);
        continue;
      }
      this.#batches.shift();
      this.#counts.written += batch.records.length;
      this.#log.debug({ history: this.#address.shown, records: batch.records.length }, "written");
      await this.#checkpoint(database);
    }
    if (this.#waiting === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #checkpoint(database: Database): Promise<void> {
    if (!("folder" in this.#address) || this.#counts.written < this.#checkpointAt) return;
    await database.query("checkpoint");
    this.#checkpointAt = this.#counts.written + CHECKPOINT_RECORDS;
  }

  #nextBatch(): Batch | undefined {
    const records = this.#ring.take(BATCH);
    if (records.length === 0) return undefined;
    this.#batches.push({ records });
    return this.#batches[0];
  }

  /** A row that the database does not take must not take those along that came with it. */
  #divide({ records }: Batch, error: unknown): void {
    if (records.length === 1) {
      this.#counts.refused++;
      this.#log.warn({ history: this.#address.shown, kind: records[0]?.kind, reason: words(error) }, "row refused");
      return;
    }
    const middle = Math.ceil(records.length / 2);
    this.#batches.unshift({ records: records.slice(0, middle) }, { records: records.slice(middle) });
  }

  /** Says what is wrong when that changes. */
  #tell(error: unknown): void {
    const trouble = error === undefined ? "" : words(historyError(error, this.#address.shown));
    if (trouble !== "" && trouble !== this.#trouble) {
      this.#log.warn({ history: this.#address.shown, waiting: this.#waiting, reason: trouble }, "history away");
    }
    this.#trouble = trouble;
  }

  /** For at most `ms`, and not past a moment at which the history is to be closed or `enough` holds. */
  #sleep(ms: number, enough: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        if (this.#closing || enough()) done();
      };
      this.#wake();
    });
  }
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
