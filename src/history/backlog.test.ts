import fc from "fast-check";
import { expect, it } from "vitest";
import { answer } from "../../test/history/records.ts";
import { BATCH, Backlog } from "./backlog.ts";
import type { HistoryRecord } from "./records.ts";

/** A record that can be told from others. */
const record = (at: number): HistoryRecord => ({ kind: "answer", at, device: "d", answer: answer() });

/** Until nothing waits; the times of what was taken, in the order in which it was. */
function settle(backlog: Backlog, isBad: (at: number) => boolean): number[] {
  const written: number[] = [];
  let last = 0;
  for (let batch = backlog.next(); batch !== undefined; batch = backlog.next()) {
    expect(batch.number).toBeGreaterThan(last);
    expect(backlog.next()).toEqual(batch);
    last = batch.number;
    const times = batch.records.map((each) => (each as { at: number }).at);
    if (times.some(isBad)) {
      const alone = backlog.refused();
      expect(alone !== undefined).toBe(times.length === 1);
    } else {
      written.push(...times);
      backlog.written();
    }
  }
  return written;
}

it("loses nothing but what there is no room for and what is refused, keeps the order, and counts all of it", () => {
  const counts = fc.integer({ min: 0, max: 3 * BATCH });
  fc.assert(
    fc.property(
      counts,
      fc.integer({ min: 1, max: 2 * BATCH }),
      fc.uniqueArray(fc.nat(3 * BATCH), { maxLength: 8 }),
      (offered, capacity, bad) => {
        const backlog = new Backlog(capacity);
        for (let at = 0; at < offered; at++) backlog.offer(record(at));
        const kept = Array.from({ length: Math.min(offered, capacity) }, (_, i) => Math.max(0, offered - capacity) + i);
        const good = kept.filter((at) => !bad.includes(at));
        expect(settle(backlog, (at) => bad.includes(at))).toEqual(good);
        const { written, dropped, refused } = backlog.counts;
        expect([written, dropped, refused]).toEqual([good.length, offered - kept.length, kept.length - good.length]);
        expect(backlog.waiting).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});

it("counts what waits as dropped when it is given up, in whatever state it is", () => {
  const backlog = new Backlog(2 * BATCH);
  for (let at = 0; at < 2 * BATCH; at++) backlog.offer(record(at));
  backlog.next();
  backlog.refused();
  backlog.next();
  backlog.drop();
  backlog.decline();
  expect(backlog.counts).toEqual({ offered: 2 * BATCH + 1, written: 0, dropped: 2 * BATCH + 1, refused: 0 });
  expect([backlog.waiting, backlog.next()]).toEqual([0, undefined]);
});
