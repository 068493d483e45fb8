import { expect, it } from "vitest";
import { NO_QUOTA, Quotas } from "./quota.ts";

it("a device has its burst, then its rate", () => {
  const quotas = new Quotas({ rate: 10, burst: 3 });
  const taken = (times: readonly number[]) => times.map((time) => quotas.take("d", time));
  expect(taken([0, 0, 0, 0])).toEqual([true, true, true, false]);
  expect(taken([99, 100, 101, 199, 200])).toEqual([false, true, false, false, true]);
  // A long rest fills the bucket, and no more.
  expect(taken([1e6, 1e6, 1e6, 1e6])).toEqual([true, true, true, false]);
  expect(quotas.take("other", 1e6)).toBe(true);
});

it("a device is told of it once in ten seconds", () => {
  const quotas = new Quotas({ rate: 1, burst: 1 });
  expect(quotas.tell("d", 0)).toBe(false);
  quotas.take("d", 0);
  expect([0, 5_000, 9_999, 10_000, 10_001].map((time) => quotas.tell("d", time))).toEqual([
    true,
    false,
    false,
    true,
    false,
  ]);
});

it("no quota is no limit, and remembers nobody", () => {
  const quotas = new Quotas(NO_QUOTA);
  expect(Array.from({ length: 1000 }, () => quotas.take("d", 0)).every(Boolean)).toBe(true);
  expect(quotas.tell("d", 0)).toBe(false);
});
