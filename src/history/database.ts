/**
 * A connection to a history's database, in a thread of its own: PGlite in a folder, or a PostgreSQL server. One dialect, one way to ask.
 */
import { join } from "node:path";
import { Worker as Thread } from "node:worker_threads";
import type { HistoryAddress } from "./address.ts";
import { lockFolder } from "./folder-lock.ts";

/** The database's own folder in that of a history. */
export const PGDATA = "pgdata";

/** Milliseconds within which a server has to take a connection. */
const CONNECT_TIMEOUT = 10_000;
/** Milliseconds that a server may take over one statement, and leave a transaction of ours open. */
const STATEMENT_TIMEOUT = 15_000;
/** Milliseconds without an answer after which a server is taken for gone. */
const SILENCE_TIMEOUT = 30_000;
/** Milliseconds that a connection gets to end in order. */
const CLOSE_TIMEOUT = 10_000;

export type SqlValue = string | number | boolean | null;
export type Row = Record<string, unknown>;
export type Query = (sql: string, values?: readonly SqlValue[]) => Promise<Row[]>;

/** What the database says against a statement, or what ended the connection. */
export class DatabaseError extends Error {
  constructor(
    message: string,
    /** SQLSTATE, or an errno such as ECONNREFUSED; undefined when the connection ended without a word. */
    readonly code: string | undefined,
  ) {
    super(message);
    this.name = "DatabaseError";
  }
}

export interface DatabaseLimits {
  /** Milliseconds that a server may take over one statement. A folder takes the time that it takes. Default 15 s. */
  readonly statementTimeout?: number;
  /** Milliseconds without an answer after which a server is taken for gone. Default 30 s. */
  readonly silenceTimeout?: number;
}

interface Waiting {
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

type Answer =
  | { readonly open: true }
  | { readonly failed: { readonly message: string; readonly code?: string } }
  | { readonly id: number; readonly rows: Row[] }
  | { readonly id: number; readonly error: { readonly message: string; readonly code?: string } };

/** Statements are run in the order in which they are given; who uses transactions sees to it that nobody else speaks meanwhile. */
export class Database {
  #nextId = 1;
  #waiting = new Map<number, Waiting>();
  /** Set once the connection is gone. */
  #lost: DatabaseError | undefined;
  #ended: Promise<void>;
  /** Called when the connection is gone, for whatever reason. */
  onLost: () => void = () => undefined;

  private constructor(
    private readonly thread: Thread,
    private readonly silenceTimeout: number,
  ) {
    this.#ended = new Promise((resolve) => thread.once("exit", () => resolve()));
    thread.on("message", (answer: Answer) => this.#settle(answer));
    thread.on("error", (error) => this.#lose(new DatabaseError(error.message, undefined)));
    thread.on("exit", () => this.#lose(new DatabaseError("the connection ended", undefined)));
  }

  /**
   * Rejects with a DatabaseError when the database does not come up, and with a HedgeError (input) when another process has the folder.
   * A folder that does not exist is made.
   * @param signal gives the attempt up
   */
  static async open(address: HistoryAddress, limits: DatabaseLimits = {}, signal?: AbortSignal): Promise<Database> {
    const { statementTimeout = STATEMENT_TIMEOUT, silenceTimeout = SILENCE_TIMEOUT } = limits;
    const unlock = "folder" in address ? lockFolder(address.folder) : () => undefined;
    const where = "folder" in address ? { folder: join(address.folder, PGDATA) } : { url: address.url };
    const thread = new Thread(new URL("./database-thread.js", import.meta.url), {
      workerData: { ...where, connectTimeout: CONNECT_TIMEOUT, statementTimeout },
    });
    // Whoever else gets the folder must find it still.
    thread.once("exit", unlock);
    // PGlite computes as long as it computes: to cut it off would help nothing.
    const database = new Database(thread, "folder" in address ? Number.POSITIVE_INFINITY : silenceTimeout);
    const giveUp = () => void database.abandon();
    signal?.addEventListener("abort", giveUp);
    try {
      await database.#wait(0, database.silenceTimeout + CONNECT_TIMEOUT);
      return database;
    } catch (error) {
      await database.abandon();
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Why the connection is gone; undefined while it stands. */
  get lost(): DatabaseError | undefined {
    return this.#lost;
  }

  /** The rows of one statement; without values `sql` may be several, and the rows are the last one's. Rejects with a DatabaseError. */
  query: Query = (sql, values) => {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#nextId++;
    this.thread.postMessage({ id, sql, values });
    return this.#wait(id, this.silenceTimeout);
  };

  /** Runs `work` in one transaction, which is rolled back when it rejects. */
  async transaction<T>(
    work: (query: Query) => Promise<T>,
    mode: "read write" | "read only" = "read write",
  ): Promise<T> {
    await this.query(`begin ${mode}`);
    try {
      const result = await work(this.query);
      await this.query("commit");
      return result;
    } catch (error) {
      // Where the connection is gone, so is the transaction.
      await this.query("rollback").catch(() => undefined);
      throw error;
    }
  }

  /** Ends the connection in order; resolves when the thread is gone, and the folder free. */
  async close(): Promise<void> {
    if (!this.#lost) this.thread.postMessage({ close: true });
    const timer = setTimeout(() => this.abandon(), CLOSE_TIMEOUT);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Ends the connection at once, as a loss of it would. */
  async abandon(): Promise<void> {
    await this.thread.terminate();
    await this.#ended;
  }

  #wait(id: number, timeout: number): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const silence = () => {
        this.#lose(new DatabaseError(`no answer within ${timeout / 1000} s`, undefined));
        void this.abandon();
      };
      const timer = Number.isFinite(timeout) ? setTimeout(silence, timeout) : undefined;
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  #settle(answer: Answer): void {
    const id = "id" in answer ? answer.id : 0;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    const error = "failed" in answer ? answer.failed : "error" in answer ? answer.error : undefined;
    if (error) waiting.reject(new DatabaseError(error.message, error.code));
    else waiting.resolve("rows" in answer ? answer.rows : []);
  }

  #lose(error: DatabaseError): void {
    if (this.#lost) return;
    this.#lost = error;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    this.onLost();
  }
}
