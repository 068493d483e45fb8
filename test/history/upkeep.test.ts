import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openHistory } from "../../src/history/history.ts";
import { migrate, SCHEMA_VERSION } from "../../src/history/migrate.ts";
import { prune } from "../../src/history/retention.ts";
import { rowsOfView, summary } from "../../src/history/show.ts";
import { useHistory } from "../../src/history/use.ts";
import { PLACES, type Places, rowsAt, silent, tell } from "./places.ts";
import { answer, served } from "./records.ts";

describe.each(["a folder", "a PostgreSQL server"] as const)("a history in %s", (kind) => {
  let places: Places;
  beforeAll(async () => {
    places = await PLACES[kind]();
  });
  afterAll(() => places.close());

  describe("lets go", () => {
    const DAY = 24 * 3_600_000;
    async function aged(url: string) {
      const now = Date.now();
      await tell(url, (history) => {
        for (let i = 0; i < 100; i++) {
          const at = now - i * DAY;
          history.observer.served?.(served(i, { at, device: `d${i}` }));
          history.record({ kind: "answer", at, device: `d${i}`, answer: answer() });
        }
      });
    }
    const left = `select (select count(*) from samples) as samples, (select count(*) from results) as results,
      (select count(*) from exits) as exits, (select count(*) from devices) as devices`;

    it("of rows that are old, with their results and devices, and of all but so many", async () => {
      const url = await places.next();
      await aged(url);
      await useHistory(url, false, async (database) => {
        expect(await prune(database, { age: 29.5 * DAY })).toEqual({ samples: 70, exits: 70, devices: 70 });
        expect(await database.query(left)).toEqual([{ samples: 30, results: 30, exits: 30, devices: 30 }]);
        expect(await prune(database, { rows: 5 })).toEqual({ samples: 25, exits: 25 });
        expect(await database.query("select max(sample) as oldest from samples")).toEqual([{ oldest: 4 }]);
        expect(await prune(database, { rows: 0 })).toEqual({ samples: 5, exits: 5 });
      });
    });

    if (kind === "a folder") {
      it("of the oldest fifth where its tables are too large, and they become smaller", async () => {
        const url = await places.next();
        await tell(url, ({ observer }) => {
          for (let i = 0; i < 5000; i++) observer.served?.(served(i));
        });
        const size =
          "select pg_total_relation_size('samples') as bytes, min(sample) as oldest, count(*) as rows from samples";
        await useHistory(url, false, async (database) => {
          const [before] = await database.query(size);
          const bytes = before?.bytes as number;
          expect(await prune(database, { bytes: 100 * bytes })).toEqual({});
          expect(await prune(database, { bytes })).toEqual({ samples: 1000 });
          const [after] = await database.query(size);
          expect(after).toMatchObject({ oldest: 1000, rows: 4000 });
          expect(after?.bytes).toBeLessThan(bytes * 0.9);
        });
      });
    }
  });

  describe("is brought up to date", () => {
    it("from version 1, with what it holds", async () => {
      const url = await places.next();
      await useHistory(url, true, async (database, shown) => {
        expect(await migrate(database, shown, 1)).toBe(0);
        await database.query(`
          insert into samples values ('porch', 1, 2, 'm', 3, 4, 5, now(), 1, 1, now(), now());
          insert into results values ('porch', 1, 2, 'm', 'answered', 'answered', 7, 0.5, 'w1', 2, now())`);
        await expect(rowsOfView(database, shown, "samples", { limit: 1 })).rejects.toThrow(
          "has schema 1, this Hedge reads",
        );
        expect(await migrate(database, shown)).toBe(1);
        expect(await migrate(database, shown)).toBe(SCHEMA_VERSION);
      });
      await tell(url, ({ observer }) => observer.served?.(served(2, { model: "m", session: 1, label: 8 })));
      expect(await rowsAt(url, "select label, offers, repeats, differs from outcomes")).toEqual([
        { label: 7, offers: 2, repeats: 1, differs: true },
      ]);
    });

    it("as a whole or not at all", async () => {
      const url = await places.next();
      await useHistory(url, true, async (database, shown) => {
        const asked = summary(database, shown, {});
        await expect(asked).rejects.toMatchObject({
          kind: "input",
          message: expect.stringContaining("holds no history"),
        });
        await database.query("create view outcomes as select 1");
        await expect(migrate(database, shown)).rejects.toThrow('"outcomes" already exists');
        expect(await database.query("select tablename from pg_tables where schemaname = 'public'")).toEqual([]);
      });
    });

    it("not by an older Hedge than the one that wrote it, which goes on without it", async () => {
      const url = await places.next();
      await useHistory(url, true, async (database, shown) => {
        await migrate(database, shown);
        await database.query(`insert into hedge_schema values (${SCHEMA_VERSION + 1}, 'later', now())`);
        await expect(migrate(database, shown)).rejects.toMatchObject({
          kind: "input",
          remedy: expect.stringContaining("later one"),
        });
      });
      const history = openHistory({ url, log: silent });
      history.observer.served?.(served(1));
      await expect.poll(() => history.status().trouble, { timeout: 60_000 }).toContain("newer than this Hedge's");
      await history.close();
      expect(history.status()).toMatchObject({ connected: false, written: 0, dropped: 1, waiting: 0 });
    });
  });

  it("answers questions, and lets none of them write", async () => {
    const url = await places.next();
    const at = Date.now();
    await tell(url, (history) => {
      for (let i = 0; i < 10; i++)
        history.observer.served?.(served(i, { at, ms: i, device: i < 4 ? "porch" : "attic" }));
      history.observer.served?.(served(10, { at: at - 7_200_000, as: "limited", state: "refused", label: 0 }));
      for (let i = 0; i < 30; i++) history.record({ kind: "answer", at, device: "porch", answer: answer() });
      history.observer.dead?.({ reason: "quota", sentence: "", device: "porch", size: 1, head: new Uint8Array() }, at);
    });
    await useHistory(url, false, async (database, shown) => {
      expect(await summary(database, shown, {})).toMatchObject({
        samples: 11,
        offers: 11,
        unanswered: 0,
        results: { answered: 10, limited: 1 },
        repeats: 0,
        differing: 0,
        corrected: 10,
        ms: { p50: 4.5 },
        exits: { edge: 30 },
        coverage: 30 / 41,
        dead: { quota: 1 },
        devices: 2,
        workers: 1,
        models: 1,
        newest: new Date(at),
      });
      expect(await summary(database, shown, { since: 3_600_000, device: "porch" })).toMatchObject({
        samples: 4,
        devices: 1,
      });
      expect(await rowsOfView(database, shown, "results", { device: "attic", limit: 3 })).toHaveLength(3);
      expect(await rowsOfView(database, shown, "samples", { since: 3_600_000, limit: 100 })).toHaveLength(10);
      await expect(rowsOfView(database, shown, "models", { device: "attic", limit: 3 })).rejects.toThrow(
        "of no device",
      );
      const writing = database.transaction((query) => query("delete from samples"), "read only");
      await expect(writing).rejects.toThrow("read-only");
    });
  });
});
