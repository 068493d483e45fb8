/** Brings a history's schema to this version. */
import { HedgeError } from "../errors.ts";
import type { Database, Query } from "./database.ts";
import { MIGRATIONS } from "./migrations/index.ts";

/** The version that this Hedge writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Any number that other users of the database do not lock. */
const LOCK = 0x6865646765;

/** The version of the schema that is there; 0 without one. */
export async function schemaVersion(query: Query): Promise<number> {
  const [table] = await query("select to_regclass('hedge_schema') is not null as there", []);
  if (table?.there !== true) return 0;
  const [row] = await query("select coalesce(max(version), 0) as version from hedge_schema", []);
  return row?.version as number;
}

/**
 * Applies what is missing up to `target`, all of it or nothing, one process at a time.
 * @returns the version that was there before
 * @throws HedgeError (input) when the schema is newer than this Hedge; DatabaseError
 */
export function migrate(database: Database, shown: string, target = SCHEMA_VERSION): Promise<number> {
  return database.transaction(async (query) => {
    await query("select pg_advisory_xact_lock($1::bigint)", [LOCK]);
    const before = await schemaVersion(query);
    refuseNewer(before, shown);
    if (before === 0) {
      await query(
        "create table hedge_schema (version integer primary key, name text not null, applied timestamptz not null)",
      );
    }
    for (const { version, name, sql } of MIGRATIONS) {
      if (version <= before || version > target) continue;
      await query(sql);
      await query("insert into hedge_schema values ($1::integer, $2::text, now())", [version, name]);
    }
    return before;
  });
}

/** @throws HedgeError (input) unless the schema is this Hedge's: what reads does not change it */
export async function requireSchema(query: Query, shown: string): Promise<void> {
  const version = await schemaVersion(query);
  refuseNewer(version, shown);
  if (version === SCHEMA_VERSION) return;
  throw new HedgeError(
    "input",
    version === 0
      ? `${shown} holds no history.`
      : `The history at ${shown} has schema ${version}, this Hedge reads ${SCHEMA_VERSION}.`,
    version === 0
      ? "Name what a worker or hedge history record writes to."
      : `Bring it up to date: hedge history migrate --at ${shown}`,
  );
}

function refuseNewer(version: number, shown: string): void {
  if (version <= SCHEMA_VERSION) return;
  throw new HedgeError(
    "input",
    `The history at ${shown} has schema ${version}, newer than this Hedge's ${SCHEMA_VERSION}.`,
    "Use the Hedge that wrote it, or a later one.",
  );
}
