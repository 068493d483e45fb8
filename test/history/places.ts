/** Places for histories in tests: a folder, and a database on a real server. */
import { cpSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type Postgres, startPostgres } from "../../src/explore/postgres.ts";
import type { Row } from "../../src/history/database.ts";
import { type History, type HistoryOptions, type HistoryStatus, openHistory } from "../../src/history/history.ts";
import { useHistory } from "../../src/history/use.ts";

export interface Places {
  /** An address under which there is nothing yet. */
  next(): Promise<string>;
  close(): Promise<void>;
}

/** Folders. The empty database is made once, for that takes seconds, and copied. */
async function folders(): Promise<Places> {
  const parent = await mkdtemp(join(tmpdir(), "hedge-history-"));
  const empty = join(parent, "empty");
  await useHistory(empty, true, async () => undefined);
  let count = 0;
  return {
    async next() {
      const folder = join(parent, `${count++}`);
      cpSync(empty, folder, { recursive: true });
      return folder;
    },
    close: () => rm(parent, { recursive: true, force: true }),
  };
}

/** Databases on one server. */
export function databasesOf(server: Postgres): Places {
  let count = 0;
  return {
    async next() {
      const name = `history${count++}`;
      await server.query(`create database ${name}`);
      return server.url.replace(/\/postgres$/, `/${name}`);
    },
    close: () => server.close(),
  };
}

export const PLACES: Readonly<Record<"a folder" | "a PostgreSQL server", () => Promise<Places>>> = {
  "a folder": folders,
  "a PostgreSQL server": async () => databasesOf(await startPostgres()),
};

/** The rows of a question to a history that nobody else has open. */
export function rowsAt(url: string, sql: string): Promise<Row[]> {
  return useHistory(url, true, (database) => database.query(sql));
}

export const silent = pino({ level: "silent" });

/** Opens a history, tells it something, and closes it with everything written. */
export async function tell(
  url: string,
  work: (history: History) => void,
  options: Partial<HistoryOptions> = {},
): Promise<HistoryStatus> {
  const history = openHistory({ url, log: silent, ...options });
  work(history);
  await history.flush();
  await history.close();
  return history.status();
}
