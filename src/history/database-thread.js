// @ts-check
/**
 * A thread that holds one connection to a history: PGlite computes on the thread that calls it, and what a PostgreSQL client does costs time,
 * too; neither may be the time of the thread that serves MQTT. Plain JavaScript, because Node starts a thread from a file as it lies there.
 *
 * Takes { id, sql, values } and answers { id, rows } or { id, error: { message, code } }, one after the other; without values the SQL may
 * be several statements. Says { open: true } once the connection stands, { failed } when it does not come about, and ends when it is lost.
 * { close: true } ends it in order.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

/** @typedef {(sql: string, values?: unknown[]) => Promise<unknown[]>} Query */
/** @typedef {{ query: Query, close: () => Promise<void> }} Connection */
/** @typedef {{ id: number, sql: string, values?: unknown[] } | { close: true }} Request */

const port = /** @type {import("node:worker_threads").MessagePort} */ (parentPort);
/** @type {{ folder?: string, url?: string, connectTimeout: number, statementTimeout: number }} */
const { folder, url, connectTimeout, statementTimeout } = workerData;

/** What both drivers give differently: whole numbers of 64 bits and decimals become numbers. By object id of the type. */
const INT8 = 20;
const NUMERIC = 1700;

/** @param {string} path @returns {Promise<Connection>} */
async function openFolder(path) {
  const { PGlite } = await import("@electric-sql/pglite");
  if (!existsSync(path)) {
    // It takes seconds: what was cut off meanwhile must not be taken for a database.
    const draft = `${path}.new`;
    rmSync(draft, { recursive: true, force: true });
    await (await PGlite.create(draft)).close();
    renameSync(draft, path);
  }
  const database = await PGlite.create({ dataDir: path, parsers: { [INT8]: Number, [NUMERIC]: Number } });
  return {
    async query(sql, values) {
      if (values !== undefined) return (await database.query(sql, values)).rows;
      return (await database.exec(sql)).at(-1)?.rows ?? [];
    },
    close: () => database.close(),
  };
}

/** @param {string} address @returns {Promise<Connection>} */
async function openServer(address) {
  const { default: pg } = await import("pg");
  pg.types.setTypeParser(INT8, Number);
  pg.types.setTypeParser(NUMERIC, Number);
  const client = new pg.Client({
    connectionString: address,
    application_name: "hedge",
    connectionTimeoutMillis: connectTimeout,
    keepAlive: true,
  });
  // What is under way is told by its own rejection; the parent learns the rest from the end of this thread.
  client.on("error", () => undefined);
  await client.connect();
  client.on("end", () => process.exit());
  // By statement, not as a parameter of the connection: poolers such as PgBouncer refuse those that they do not know.
  await client.query(
    `set statement_timeout = ${statementTimeout}; set idle_in_transaction_session_timeout = ${statementTimeout}`,
  );
  return {
    query: async (sql, values) => (await client.query(sql, values)).rows,
    close: () => client.end(),
  };
}

/** @param {unknown} error */
function described(error) {
  const { message, code } = /** @type {Error & { code?: unknown }} */ (error);
  // Several addresses of one host: each has its own message, the sum of them has none.
  return { message: String(message || code || error), code: typeof code === "string" ? code : undefined };
}

/** @param {Connection} connection */
function serve(connection) {
  let turn = Promise.resolve();
  port.on("message", (/** @type {Request} */ request) => {
    turn = turn.then(async () => {
      if ("close" in request) {
        await connection.close().catch(() => undefined);
        process.exit();
      }
      const { id, sql, values } = request;
      try {
        port.postMessage({ id, rows: await connection.query(sql, values) });
      } catch (error) {
        port.postMessage({ id, error: described(error) });
      }
    });
  });
  port.postMessage({ open: true });
}

try {
  serve(folder === undefined ? await openServer(/** @type {string} */ (url)) : await openFolder(folder));
} catch (error) {
  port.postMessage({ failed: described(error) });
}
