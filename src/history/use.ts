/** A history for one task: opened, used, closed, its errors for people. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { HedgeError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { Database, PGDATA } from "./database.ts";
import { historyError } from "./errors.ts";

/** People wait longer for an answer than a worker does. Milliseconds. */
const LIMITS = { statementTimeout: 10 * 60_000, silenceTimeout: 11 * 60_000 };

/**
 * @param create make a folder that is not there; otherwise it is an error
 * @throws HedgeErrors: usage (the address), input (no history there, a folder in use, a database that refuses), network
 */
export async function useHistory<T>(
  text: string,
  create: boolean,
  task: (database: Database, shown: string, isFolder: boolean) => Promise<T>,
): Promise<T> {
  const address = parseAddress(text);
  const { shown } = address;
  const isFolder = "folder" in address;
  if (isFolder && !create && !existsSync(join(address.folder, PGDATA))) {
    const remedy = "Name what a worker or hedge history record writes to.";
    throw new HedgeError("input", `${shown} holds no history.`, remedy);
  }
  try {
    const database = await Database.open(address, LIMITS);
    try {
      return await task(database, shown, isFolder);
    } finally {
      await database.close();
    }
  } catch (error) {
    throw historyError(error, shown);
  }
}
