import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Postgres, startPostgres } from "../../src/explore/postgres.ts";
import { parseAddress } from "../../src/history/address.ts";
import { Database } from "../../src/history/database.ts";
import { type History, type HistoryOptions, openHistory } from "../../src/history/history.ts";
import { migrate, SCHEMA_VERSION } from "../../src/history/migrate.ts";
import { databasesOf, type Places, silent } from "./places.ts";
import { answer, served } from "./records.ts";

/** For a machine that is busy with something else. */
const PATIENCE = { timeout: 120_000, interval: 20 };

let server: Postgres;
let places: Places;
beforeAll(async () => {
  server = await startPostgres();
  places = databasesOf(server);
});
afterAll(() => places.close());

function open(url: string, options: Partial<HistoryOptions> = {}): History {
  const history = openHistory({ url, log: silent, ...options });
  onTestFinished(() => history.close());
  return history;
}

/** Exits only ever grow in number, so that one that is written twice shows; `micros` tells them apart. */
function tellExits(history: History, first: number, count: number): void {
  for (let micros = first; micros < first + count; micros++) {
    history.record({ kind: "answer", at: 1, device: `d${micros % 7}`, answer: answer({ micros }) });
  }
}

async function expectExits(url: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("select count(*)::int as rows, count(distinct micros)::int as kinds from exits");
  await client.end();
  expect(rows).toEqual([{ rows: count, kinds: count }]);
}

describe("a history whose server", () => {
  it("is killed under load, three times, has everything once when it is back", async () => {
    const url = await places.next();
    const history = open(url);
    let told = 0;
    const tell = (count: number) => {
      tellExits(history, told, count);
      told += count;
    };
    for (let life = 0; life < 3; life++) {
      tell(3000);
      const before = history.status().written;
      await expect.poll(() => history.status().written, PATIENCE).toBeGreaterThan(before);
      await server.kill();
      tell(1000);
      await server.start();
    }
    await history.flush();
    expect(history.status()).toMatchObject({ offered: told, written: told, dropped: 0, refused: 0, waiting: 0 });
    await expectExits(url, told);
  });

  it("is blocked by a lock waits, and loses nothing", async () => {
    const url = await places.next();
    const history = open(url, { limits: { statementTimeout: 300 } });
    tellExits(history, 0, 10);
    await history.flush();
    const blocker = new pg.Client({ connectionString: url });
    await blocker.connect();
    await blocker.query("begin; lock table exits in access exclusive mode");
    tellExits(history, 10, 600);
    await expect.poll(() => history.status().trouble, PATIENCE).toContain("statement timeout");
    expect(history.status()).toMatchObject({ written: 10, waiting: 600, dropped: 0 });
    await blocker.query("commit");
    await blocker.end();
    await history.flush();
    expect(history.status()).toMatchObject({ connected: true, written: 610, refused: 0, trouble: "" });
    await expectExits(url, 610);
  });

  it("falls silent is left, for a connection that answers", async () => {
    const url = await places.next();
    const history = open(url, { limits: { silenceTimeout: 3_000 } });
    tellExits(history, 0, 10);
    await history.flush();
    const name = url.slice(url.lastIndexOf("/") + 1);
    const [row] = await server.query(
      `select pid from pg_stat_activity where datname = '${name}' and application_name = 'hedge'`,
    );
    const pid = row?.pid as number;
    process.kill(pid, "SIGSTOP");
    try {
      tellExits(history, 10, 10);
      await expect.poll(() => history.status().trouble, PATIENCE).toContain("no answer within 3 s");
      await history.flush();
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect(history.status()).toMatchObject({ written: 20, dropped: 0 });
    await expectExits(url, 20);
  });

  it("has no room for a while keeps its records, and blames none of them", async () => {
    const url = await places.next();
    const history = open(url);
    tellExits(history, 0, 10);
    await history.flush();
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    await owner.query(`
      create function full_disk() returns trigger language plpgsql as
        $$ begin raise exception 'No space left on device' using errcode = 'disk_full'; end $$;
      create trigger full_disk before insert on exits execute function full_disk()`);
    tellExits(history, 10, 600);
    await expect.poll(() => history.status().trouble, PATIENCE).toContain("No space left on device");
    await owner.query("drop trigger full_disk on exits");
    await owner.end();
    await history.flush();
    expect(history.status()).toMatchObject({ written: 610, dropped: 0, refused: 0 });
    await expectExits(url, 610);
  });

  it("refuses the password is tried again until it takes it; no log tells the password", async () => {
    await server.query("create role stranger login password 'first'");
    const url = (await places.next()).replace(/\/\/.*@/, "//stranger:s3cret@");
    await server.query(`alter database ${url.slice(url.lastIndexOf("/") + 1)} owner to stranger`);
    const lines: string[] = [];
    const history = open(url, { log: pino({ level: "debug" }, { write: (line) => lines.push(line) }) });
    tellExits(history, 0, 10);
    await expect.poll(() => history.status().trouble, PATIENCE).toContain("refuses the user");
    await server.query("alter role stranger password 's3cret'");
    await history.flush();
    expect(history.status()).toMatchObject({ connected: true, written: 10, trouble: "" });
    expect(lines.join("")).toContain("history away");
    expect(lines.join("") + JSON.stringify(history.status())).not.toContain("s3cret");
  });

  it("was never there holds up nobody: what does not fit is dropped, and what is left goes when it is closed", async () => {
    const history = open("postgres://nobody@127.0.0.1:1/nothing", { capacity: 1000 });
    tellExits(history, 0, 50_000);
    await expect.poll(() => history.status().trouble, PATIENCE).toContain("ECONNREFUSED");
    expect(history.status()).toMatchObject({
      connected: false,
      offered: 50_000,
      written: 0,
      dropped: 49_000,
      waiting: 1000,
    });
    await history.close();
    expect(history.status()).toMatchObject({ dropped: 50_000, waiting: 0 });
    tellExits(history, 0, 1);
    expect(history.status()).toMatchObject({ offered: 50_001, dropped: 50_001, waiting: 0 });
  });
});

describe("several", () => {
  it("that open a new database at once make its tables once", async () => {
    const address = parseAddress(await places.next());
    const databases = await Promise.all([1, 2, 3].map(() => Database.open(address)));
    const before = await Promise.all(databases.map((database) => migrate(database, address.shown)));
    expect(before.sort()).toEqual([0, SCHEMA_VERSION, SCHEMA_VERSION]);
    await Promise.all(databases.map((database) => database.close()));
  });

  it("that write of the same samples, devices and models at once write all", async () => {
    const url = await places.next();
    const histories = [1, 2, 3].map(() => open(url));
    for (const [worker, { observer }] of histories.entries()) {
      // Each in another order.
      for (let i = 0; i < 4000; i++) {
        const sample = (i * [1, 3, 7][worker]!) % 4000;
        observer.served?.(served(sample, { worker: `w${worker}`, device: `d${sample % 100}` }));
      }
    }
    await Promise.all(histories.map((history) => history.flush()));
    for (const history of histories) expect(history.status()).toMatchObject({ written: 4000, dropped: 0, refused: 0 });
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query(
      "select count(*)::int as rows, sum(offers)::int as offers, sum(repeats)::int as repeats from outcomes",
    );
    await client.end();
    expect(rows).toEqual([{ rows: 4000, offers: 12_000, repeats: 8000 }]);
  });
});
