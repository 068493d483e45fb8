import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrate } from "../../src/history/migrate.ts";
import { useHistory } from "../../src/history/use.ts";
import { writeBatch } from "../../src/history/write.ts";
import { EVENT_CODES } from "../../src/wire/device-frames.ts";
import { PLACES, type Places, rowsAt, tell } from "./places.ts";
import { answer, description, MODEL, served } from "./records.ts";

describe.each(["a folder", "a PostgreSQL server"] as const)("a history in %s", (kind) => {
  let places: Places;
  beforeAll(async () => {
    places = await PLACES[kind]();
  });
  afterAll(() => places.close());

  it("keeps samples with their results", async () => {
    const url = await places.next();
    const status = await tell(url, ({ observer }) => {
      observer.served?.(served(1));
      observer.served?.(
        served(2, { as: "expired", state: "expired", label: 0, confidence: 0, deadline: Number.MAX_SAFE_INTEGER }),
      );
    });
    expect(status).toMatchObject({ offered: 2, written: 2, dropped: 0, refused: 0, waiting: 0 });
    const rows = await rowsAt(url, "select * from outcomes order by sample");
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      device: "porch",
      session: 0xffffffff,
      sample: 1,
      model: MODEL,
      first_offer: new Date(1_700_000_000_001),
      deadline: new Date(1_700_000_010_000),
      edge_label: 3,
      entropy: 65_536,
      payload_bytes: 1024,
      attempts: 1,
      offers: 1,
      state: "answered",
      label: 7,
      confidence: 0.75,
      worker: "w1",
      ms: 2.5,
      repeats: 0,
      differs: false,
    });
    expect(rows[1]).toMatchObject({ state: "expired", served: "expired" });
  });

  it("keeps one result of a sample, counts those that came after it, and tells when they were not alike", async () => {
    const url = await places.next();
    const again = { as: "repeated", attempt: 2, at: 1_700_000_005_000 } as const;
    await tell(url, ({ observer }) => {
      // In one batch, and over several.
      for (const change of [{}, again, { ...again, attempt: 3 }]) observer.served?.(served(1, change));
      observer.served?.(served(2));
      observer.served?.(served(3));
    });
    await tell(url, ({ observer }) => {
      observer.served?.(served(1, { ...again, attempt: 4, worker: "w2" }));
      observer.served?.(served(2, { ...again, worker: "w2", label: 8 }));
      observer.served?.(served(3, { ...again, worker: "w2", as: "expired", state: "expired", label: 0 }));
    });
    const rows = await rowsAt(
      url,
      "select sample, attempts, offers, label, worker, repeats, differs from outcomes order by 1",
    );
    expect(rows).toEqual([
      { sample: 1, attempts: 4, offers: 4, label: 7, worker: "w1", repeats: 3, differs: false },
      { sample: 2, attempts: 2, offers: 2, label: 7, worker: "w1", repeats: 1, differs: true },
      { sample: 3, attempts: 2, offers: 2, label: 7, worker: "w1", repeats: 1, differs: false },
    ]);
  });

  it("keeps what devices, workers and models do", async () => {
    const url = await places.next();
    const at = 1_700_000_000_000;
    await tell(url, (history) => {
      history.observer.served?.(served(1));
      history.observer.model?.({
        at,
        digest: MODEL,
        name: "tiny",
        what: "loaded",
        ms: 12.6,
        sentence: "from a folder",
      });
      history.observer.dead?.(
        { reason: "frame", sentence: "It is none.", device: "", size: 70_000, head: new Uint8Array(100).fill(9) },
        at,
      );
      history.record({ kind: "answer", at, device: "attic", answer: answer() });
      history.record({
        kind: "answer",
        at,
        device: "attic",
        answer: answer({ source: "fallback", label: -1, attempts: 3 }),
      });
      history.record({ kind: "answer", at, device: "attic", answer: answer({ source: "cloud" }) });
      history.record({ kind: "answer", at, device: "attic", answer: answer({ source: "notTaken" }) });
      history.record({
        kind: "event",
        at,
        device: "attic",
        event: { request: 0, code: EVENT_CODES.reverted, number: 3, sentence: "given up" },
      });
      history.record({
        kind: "event",
        at,
        device: "attic",
        event: { request: 0, code: 9999, number: 0, sentence: "" },
      });
      history.record({ kind: "description", at: at + 1, device: "attic", description: description() });
      history.record({ kind: "description", at, device: "attic", description: description({ uptimeSeconds: 1 }) });
      history.record({ kind: "status", at, name: "attic", online: true, changed: false });
      history.record({ kind: "status", at: at + 5, name: "attic", online: false, changed: true });
    });
    await useHistory(url, false, async ({ query }) => {
      expect(await query("select source, label, attempts from exits order by id")).toEqual([
        { source: "edge", label: 4, attempts: 0 },
        { source: "fallback", label: -1, attempts: 3 },
      ]);
      expect(await query("select subject, what, number, sentence from events order by id")).toEqual([
        { subject: MODEL, what: "model loaded", number: 13, sentence: "from a folder" },
        { subject: "attic", what: "reverted", number: 3, sentence: "given up" },
        { subject: "attic", what: "code 9999", number: 0, sentence: "" },
        { subject: "attic", what: "offline", number: 0, sentence: "" },
      ]);
      expect(await query("select reason, size, device, encode(head, 'hex') as head from dead_letters")).toEqual([
        { reason: "frame", size: 70_000, device: "", head: "09".repeat(64) },
      ]);
      expect(
        await query("select name, board, model, counter, trial, uptime_s, counts, memory from devices order by 1"),
      ).toEqual([
        {
          name: "attic",
          board: "mps2-an386",
          model: MODEL,
          counter: 4,
          trial: false,
          uptime_s: 90,
          counts: description().counts,
          memory: description().memory,
        },
        {
          name: "porch",
          board: null,
          model: null,
          counter: null,
          trial: null,
          uptime_s: null,
          counts: null,
          memory: null,
        },
      ]);
      expect(await query("select name, online from presence")).toEqual([{ name: "attic", online: false }]);
      expect(await query("select name from workers")).toEqual([{ name: "w1" }]);
      expect(await query("select digest, name from models")).toEqual([{ digest: MODEL, name: "tiny" }]);
    });
  });

  it("takes texts that mean something to SQL, to JSON or to nobody", async () => {
    const url = await places.next();
    const hostile = [
      `'); drop table samples; --`,
      `{"a":"}`,
      "\\u0000",
      "a\0b",
      "half \ud83d",
      "\u{1f600}",
      "$1",
      "\x1b[2J",
      "x".repeat(5000),
    ];
    const status = await tell(url, ({ observer }) => {
      for (const sentence of hostile) {
        observer.dead?.({ reason: "inference", sentence, device: "porch", size: 1, head: new Uint8Array() }, 1);
      }
    });
    expect(status).toMatchObject({ written: hostile.length, refused: 0 });
    const kept = (await rowsAt(url, "select sentence from dead_letters order by id")).map(({ sentence }) => sentence);
    const changed = new Map([
      ["a\0b", "a\ufffdb"],
      ["half \ud83d", "half \ufffd"],
      ["x".repeat(5000), "x".repeat(1000)],
    ]);
    expect(kept).toEqual(hostile.map((text) => changed.get(text) ?? text));
  });

  it("drops the oldest when more comes than it may hold, and counts them", async () => {
    const url = await places.next();
    const status = await tell(
      url,
      ({ observer }) => {
        for (let i = 0; i < 5000; i++) observer.served?.(served(i));
      },
      { capacity: 1200 },
    );
    expect(status).toMatchObject({ offered: 5000, written: 1200, dropped: 3800, refused: 0, waiting: 0 });
    expect(
      await rowsAt(url, "select count(*) as rows, min(sample) as first, max(sample) as last from samples"),
    ).toEqual([{ rows: 1200, first: 3800, last: 4999 }]);
  });

  it("leaves out the rows that the database refuses, and no others of their batch", async () => {
    const url = await places.next();
    await useHistory(url, true, async (database, shown) => {
      await migrate(database, shown);
      await database.query("alter table samples add check (sample not in (17, 300, 301))");
    });
    const status = await tell(url, ({ observer }) => {
      for (let i = 1; i <= 700; i++) observer.served?.(served(i));
    });
    expect(status).toMatchObject({ offered: 700, written: 697, refused: 3, dropped: 0 });
    expect(await rowsAt(url, "select count(*) as rows from results")).toEqual([{ rows: 697 }]);
  });

  it("writes a batch once, even when it is told twice", async () => {
    const url = await places.next();
    const records = [{ kind: "answer", at: 1, device: "porch", answer: answer() }] as const;
    await useHistory(url, true, async (database, shown) => {
      await migrate(database, shown);
      for (const batch of [1, 1, 2, 1]) await writeBatch(database, { writer: "a", batch }, records);
      await writeBatch(database, { writer: "b", batch: 1 }, records);
      expect(await database.query("select count(*) as rows from exits")).toEqual([{ rows: 3 }]);
    });
  });
});
