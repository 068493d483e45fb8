/**
 * The record of what happened. Whoever tells it something goes on at once: records wait in a queue of bounded length, a loop writes them in
 * batches, and a database that is slow or gone costs records, the oldest first, and no answer.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Observer } from "../cloud/observer.ts";
import { type HistoryAddress, parseAddress } from "./address.ts";
import { BATCH, Backlog, type Counts } from "./backlog.ts";
import { Database, type DatabaseLimits } from "./database.ts";
import { historyError, isAboutRows } from "./errors.ts";
import { migrate } from "./migrate.ts";
import { deadRecord, type HistoryRecord } from "./records.ts";
import { checkRetention, prune, type Retention, tidy } from "./retention.ts";
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

export interface HistoryStatus extends Counts {
  readonly connected: boolean;
  /** The address without its secrets. */
  readonly at: string;
  readonly waiting: number;
  /** What keeps records from being written; empty while nothing does. */
  readonly trouble: string;
}

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
  readonly #backlog: Backlog;
  readonly #writer = randomUUID();
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
    this.#backlog = new Backlog(capacity);
    this.#ended = this.#run();
  }

  /** What a worker calls: takes note and returns. */
  readonly observer: Observer = {
    served: (sample) => this.record({ kind: "served", sample }),
    dead: (letter, at) => this.record(deadRecord(letter, at)),
    model: (event) => this.record({ kind: "model", event }),
  };

  /** Takes note of something and returns; after `close` it is dropped. */
  record(record: HistoryRecord): void {
    if (this.#closing) this.#backlog.decline();
    else this.#backlog.offer(record);
    if (this.#backlog.queued === 1 || this.#backlog.queued === BATCH) this.#wake();
  }

  status(): HistoryStatus {
    return {
      connected: this.#connected,
      at: this.#address.shown,
      ...this.#backlog.counts,
      waiting: this.#backlog.waiting,
      trouble: this.#trouble,
    };
  }

  /** Resolves when nothing waits to be written: while the database is away, not before it is back or the history is closed. */
  flush(): Promise<void> {
    if (this.#backlog.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#wake();
    });
  }

  /** Writes what waits, if the database is there and takes it soon; the rest is dropped. */
  async close(): Promise<void> {
    if (!this.#closing) {
      if (this.#connected || this.#trouble === "") await Promise.race([this.flush(), pause(CLOSE_TIMEOUT)]);
      this.#stop.abort();
      this.#wake();
    }
    await this.#ended;
  }

  /** For logs. */
  get #place(): { readonly history: string } {
    return { history: this.#address.shown };
  }

  get #closing(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    let delay = FIRST_PAUSE;
    while (!this.#closing) {
      const database = await this.#open();
      if (database !== undefined) {
        const before = this.#backlog.counts.written;
        await this.#write(database);
        this.#connected = false;
        await (database.lost ? database.abandon() : database.close());
        // One that comes up and fails at once is as bad as one that does not come up.
        if (this.#backlog.counts.written > before) delay = FIRST_PAUSE;
      }
      if (this.#closing) break;
      await this.#sleep(delay, () => false);
      delay = Math.min(2 * delay, LONGEST_PAUSE);
    }
    this.#backlog.drop();
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #open(): Promise<Database | undefined> {
    let database: Database | undefined;
    try {
      database = await Database.open(this.#address, this.#limits, this.#stop.signal);
      database.onLost = () => this.#wake();
      const before = await migrate(database, this.#address.shown);
      this.#connected = true;
      this.#log.info({ ...this.#place, schemaBefore: before }, "history open");
      return database;
    } catch (error) {
      this.#away(error);
      await database?.close();
      return undefined;
    }
  }

  /** Until the history is closed, or the database fails in a way that another connection may mend. */
  async #write(database: Database): Promise<void> {
    let pruneAt = Date.now() + FIRST_PRUNE;
    try {
      await this.#writeWaiting(database);
      while (!this.#closing && !database.lost) {
        await this.#sleep(
          Math.max(0, pruneAt - Date.now()),
          () => this.#backlog.waiting > 0 || database.lost !== undefined,
        );
        await this.#gather();
        await this.#writeWaiting(database);
        if (Date.now() < pruneAt) continue;
        await prune(database, this.#retention, () => this.#writeWaiting(database));
        if ("folder" in this.#address) await tidy(database);
        pruneAt = Date.now() + PRUNE_PERIOD;
      }
      if (database.lost) this.#away(database.lost);
    } catch (error) {
      this.#away(error);
    }
  }

  /** Lets a batch become full, unless somebody waits for it. */
  async #gather(): Promise<void> {
    const { queued, waiting } = this.#backlog;
    if (queued === 0 || waiting > queued) return;
    await this.#sleep(GATHER, () => this.#backlog.queued >= BATCH || this.#whenIdle.length > 0);
  }

  async #writeWaiting(database: Database): Promise<void> {
    while (!this.#closing) {
      const batch = this.#backlog.next();
      if (batch === undefined) break;
      try {
        await writeBatch(database, { writer: this.#writer, batch: batch.number }, batch.records);
      } catch (error) {
        if (!isAboutRows(error)) throw error;
        const refused = this.#backlog.refused();
        if (refused) this.#log.warn({ ...this.#place, kind: refused.kind, reason: words(error) }, "record refused");
        continue;
      }
      this.#backlog.written();
      this.#trouble = "";
      this.#log.debug({ ...this.#place, records: batch.records.length }, "written");
      await this.#checkpoint(database);
    }
    if (this.#backlog.waiting > 0) return;
    this.#trouble = "";
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #checkpoint(database: Database): Promise<void> {
    if (!("folder" in this.#address) || this.#backlog.counts.written < this.#checkpointAt) return;
    await database.query("checkpoint");
    this.#checkpointAt = this.#backlog.counts.written + CHECKPOINT_RECORDS;
  }

  /** Says what is wrong, unless it was said before and nothing was written since. */
  #away(error: unknown): void {
    const trouble = words(historyError(error, this.#address.shown));
    if (trouble !== this.#trouble) {
      this.#log.warn({ ...this.#place, waiting: this.#backlog.waiting, reason: trouble }, "history away");
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
