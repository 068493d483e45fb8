/** Letting go of old rows, a few at a time: a history that is written to at the same time does not wait for long. */
import { HedgeError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import type { Database, Query } from "./database.ts";

export interface Retention {
  /** Rows whose last news is older go. Milliseconds. */
  readonly age?: number;
  /** Of samples, of exits, of dead letters and of events: the newest so many stay, and what is as old as the oldest of them. */
  readonly rows?: number;
  /** Most bytes of a folder's tables; the oldest rows go. A server's size is its administrator's. */
  readonly bytes?: number;
}

/** @throws HedgeError (usage) for an address that is none, and for a size that cannot be kept there */
export function checkRetention(text: string, { bytes }: Retention): void {
  const address = parseAddress(text);
  if (bytes === undefined || "folder" in address) return;
  throw new HedgeError(
    "usage",
    "Only a folder's history is kept below a size.",
    "Give an age or a number of rows instead.",
  );
}

/** Rows deleted by one statement. */
const STEP = 5_000;
/** Share of the rows that goes when a folder's tables are too large, so that this is not soon again. */
const SHARE = 0.2;

/** Tables and the column by which their rows are old; results go with their samples. */
const LOGS = { samples: "last_offer", exits: "at", dead_letters: "at", events: "at" } as const;
type Log = keyof typeof LOGS;
const NAMES = { devices: "last_seen", models: "last_seen", workers: "last_seen", writers: "at" } as const;

/** What grows. */
const TABLES = [...Object.keys({ ...LOGS, ...NAMES }), "results"];

/** Rows that went, by table. */
export type Pruned = Record<string, number>;

/**
 * Applies the retention; resolves to what went. Between two statements it waits for `between`.
 * Rejects with a DatabaseError; what went until then stays gone.
 */
export async function prune(
  database: Database,
  retention: Retention,
  between: (pruned: Pruned) => Promise<void> = async () => undefined,
): Promise<Pruned> {
  const { query } = database;
  const pruned: Pruned = {};
  const remove = async (table: string, column: string, before: string) => {
    for (;;) {
      const gone = await deleteStep(query, table, column, before);
      if (gone > 0) pruned[table] = (pruned[table] ?? 0) + gone;
      await between(pruned);
      if (gone < STEP) return;
    }
  };
  if (retention.age !== undefined) {
    const [row] = await query("select (now() - $1::float8 * interval '1 millisecond')::text as before", [
      retention.age,
    ]);
    for (const [table, column] of Object.entries({ ...LOGS, ...NAMES }))
      await remove(table, column, row?.before as string);
    await forgetPresence(query);
  }
  if (retention.rows !== undefined) {
    for (const [table, column] of Object.entries(LOGS)) {
      const before = await timeOfNth(query, table as Log, retention.rows);
      if (before !== undefined) await remove(table, column, before);
    }
  }
  if (retention.bytes !== undefined && (await tableBytes(query)) > retention.bytes) {
    for (const [table, column] of Object.entries(LOGS)) {
      const [row] = await query(`select count(*) as rows from ${table}`, []);
      const before = await timeOfNth(query, table as Log, Math.floor((row?.rows as number) * (1 - SHARE)));
      if (before !== undefined) await remove(table, column, before);
    }
    // Otherwise the space would be used again, but not given back.
    await query(`vacuum full ${TABLES.join(", ")}`);
  }
  return pruned;
}

/** What a server does by itself, and PGlite does not: room of rows that went is used again, and the planner knows the tables. */
export async function tidy(database: Database): Promise<void> {
  await database.query("vacuum analyze");
}

async function deleteStep(query: Query, table: string, column: string, before: string): Promise<number> {
  const [row] = await query(
    `with gone as (
      delete from ${table} where ctid = any (array(
        select ctid from ${table} where ${column} < $1::text::timestamptz order by ${column} limit ${STEP}
      )) returning 1
    ) select count(*) as gone from gone`,
    [before],
  );
  return row?.gone as number;
}

/** The time of the oldest of the newest `count` rows; undefined when there are not so many. */
async function timeOfNth(query: Query, table: Log, count: number): Promise<string | undefined> {
  if (count === 0) return "infinity";
  const column = LOGS[table];
  const [row] = await query(
    `select ${column}::text as time from ${table} order by ${column} desc offset $1::bigint limit 1`,
    [count - 1],
  );
  return row?.time as string | undefined;
}

/** Status of names that nothing else is known of any more. */
async function forgetPresence(query: Query): Promise<void> {
  await query(
    `delete from presence where not online
      and name not in (select name from devices) and name not in (select name from workers)`,
    [],
  );
}

async function tableBytes(query: Query): Promise<number> {
  const sizes = TABLES.map((table) => `pg_total_relation_size('${table}')`).join(" + ");
  const [row] = await query(`select ${sizes} as bytes`, []);
  return row?.bytes as number;
}
