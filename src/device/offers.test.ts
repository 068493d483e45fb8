import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Offers } from "./offers.ts";

// Time is the test's: what is tested is when things happen.
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const BACKOFF = { first: 100, longest: 400 };

/** Offers that note when they were sent; `connected` and `delivered` are the test's to change. */
function setUp() {
  const state = { connected: true, delivered: true, sent: [] as [sample: number, attempt: number, at: number][] };
  const offers = new Offers<string>(BACKOFF, (sample, attempt) => {
    if (!state.connected) return undefined;
    state.sent.push([sample, attempt, Date.now() - 1_000_000]);
    return state.delivered ? Promise.resolve() : new Promise(() => undefined);
  });
  return { state, offers };
}

describe("offers", () => {
  it("are repeated with growing delays until the deadline, and end without a result", async () => {
    const { state, offers } = setUp();
    const ending = offers.wait(1, Date.now() + 1500);
    await vi.advanceTimersByTimeAsync(1499);
    expect(state.sent).toEqual([
      [1, 1, 0],
      [1, 2, 100],
      [1, 3, 300],
      [1, 4, 700],
      [1, 5, 1100],
    ]);
    expect(offers.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await ending).toEqual({ attempts: 5 });
    expect(offers.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("end with the first result; later ones find nobody", async () => {
    const { offers } = setUp();
    const ending = offers.wait(1, Date.now() + 1000);
    expect(offers.settle(2, "other")).toBe(false);
    expect(offers.settle(1, "first")).toBe(true);
    expect(offers.settle(1, "second")).toBe(false);
    expect(await ending).toEqual({ result: "first", attempts: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("wait for the connection without counting, and go out as soon as it is back", async () => {
    const { state, offers } = setUp();
    state.connected = false;
    void offers.wait(1, Date.now() + 10_000);
    await vi.advanceTimersByTimeAsync(250);
    expect(state.sent).toEqual([]);
    state.connected = true;
    offers.again();
    expect(state.sent).toEqual([[1, 1, 250]]);
  });

  it("go out again after a reconnection only where the broker had them", async () => {
    const { state, offers } = setUp();
    void offers.wait(1, Date.now() + 10_000);
    state.delivered = false;
    void offers.wait(2, Date.now() + 10_000);
    await vi.advanceTimersByTimeAsync(10);
    offers.again();
    expect(state.sent.map(([sample, attempt]) => [sample, attempt])).toEqual([
      [1, 1],
      [2, 1],
      [1, 2],
    ]);
  });

  it("end at once for a deadline that has passed, and when all are given up", async () => {
    const { offers } = setUp();
    const late = offers.wait(1, Date.now() - 5);
    const [second, third] = [offers.wait(2, Date.now() + 1000), offers.wait(3, Date.now() + 1000)];
    await vi.advanceTimersByTimeAsync(0);
    expect(await late).toEqual({ attempts: 1 });
    offers.giveUpAll();
    expect(await second).toEqual({ attempts: 1 });
    expect(await third).toEqual({ attempts: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });
});
