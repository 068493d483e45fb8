/** A device of a fleet: its samples run elsewhere, its link is shaped, its clock is wrong. */
import { connectAsync } from "mqtt";
import { afterEach, expect, it } from "vitest";
import { startMosquitto } from "../../test/support/brokers.ts";
import { tinyAnswer } from "../../test/support/tiny-bundle.ts";
import { tinyHybrid, unsureSample } from "../../test/support/tiny-cloud.ts";
import { decodeOffload, encodeResult, type Offload } from "../wire/frames.ts";
import { OFFLOAD_FILTER, resultTopic } from "../wire/topics.ts";
import { DeviceClient, type DeviceLink, type DeviceOptions } from "./client.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A device, and a worker that answers each offload frame as `state` says and keeps it. */
async function setUp(state: "answered" | "expired" | "refused", options: Partial<DeviceOptions> = {}) {
  const broker = await startMosquitto();
  cleanups.push(() => broker.close());
  const offloads: Offload[] = [];
  const worker = await connectAsync(broker.url);
  cleanups.push(() => worker.endAsync(true));
  worker.on("message", (_topic, frame) => {
    const offload = decodeOffload(frame);
    offloads.push(offload);
    const { model, session, sample } = offload;
    const label = state === "answered" ? 2 : 0;
    const result = { model, session, sample, state, label, confidence: label / 4, worker: "w", ms: 1 };
    worker.publish(resultTopic("d"), Buffer.from(encodeResult(result)), { qos: 1 });
  });
  await worker.subscribeAsync(OFFLOAD_FILTER, { qos: 1 });
  const { manifest, digest } = await tinyHybrid();
  const engine = { manifest, run: async (input: Int8Array) => tinyAnswer(input), close: () => undefined };
  const device = await DeviceClient.connect({
    ...{ id: "d", broker: broker.url, engine, digest, deadline: 3_600_000 },
    backoff: { first: 3_600_000, longest: 3_600_000 },
    ...options,
  });
  cleanups.push(() => device.close());
  return { device, offloads };
}

const OPEN: DeviceLink = { there: true, up: (_, deliver) => deliver(), down: (_, deliver) => deliver() };

it("frames pass through its link, both ways", async () => {
  const passed: [string, number][] = [];
  const pass = (way: string) => (bytes: number, deliver: () => void) => {
    passed.push([way, bytes]);
    setImmediate(deliver);
  };
  const link: DeviceLink = { there: true, up: pass("up"), down: pass("down") };
  const { device } = await setUp("answered", { link });
  expect(await device.classify(unsureSample(1))).toMatchObject({ source: "cloud", label: 2, attempts: 1 });
  expect(passed.map(([way]) => way)).toEqual(["up", "down"]);
  expect(passed[0]![1]).toBe(device.counts.offeredBytes);
});

it("nothing is offered while its link is not there, and all at once when it is back", async () => {
  const link = { ...OPEN, there: false };
  const { device } = await setUp("answered", { link });
  const taken = [await device.submit(unsureSample(1)), await device.submit(unsureSample(2))];
  expect(device.counts.offered).toBe(0);
  link.there = true;
  device.linkIsBack();
  for (const { answer } of taken) expect(await answer).toMatchObject({ source: "cloud", attempts: 1 });
});

it("a frame that its link loses is offered again", async () => {
  let lost = 0;
  const link: DeviceLink = {
    ...OPEN,
    up(_, deliver) {
      if (lost < 2) lost++;
      else deliver();
    },
  };
  const { device } = await setUp("answered", { link, backoff: { first: 20, longest: 3_600_000 } });
  const { source, attempts } = await device.classify(unsureSample(1));
  expect(source).toBe("cloud");
  expect(attempts).toBeGreaterThanOrEqual(3);
});

it("a worker is told the deadline by the device's clock", async () => {
  const { device, offloads } = await setUp("answered", { clockError: () => -1e9 });
  const before = Date.now();
  await device.classify(unsureSample(1));
  const { deadline } = offloads[0]!;
  expect(deadline).toBeGreaterThanOrEqual(before + 3_600_000 - 1e9);
  expect(deadline).toBeLessThanOrEqual(Date.now() + 3_600_000 - 1e9);
});

it.each(["expired", "refused"] as const)(
  "a sample that a worker calls %s is answered by the device, with the reason",
  async (state) => {
    const { device } = await setUp(state);
    const answer = await device.classify(unsureSample(1));
    expect(answer).toMatchObject({ source: "fallback", reason: state, label: tinyAnswer(unsureSample(1)).label });
    expect(device.counts).toMatchObject({ refused: 1, unconfirmed: 1 });
  },
);

it("without a result the reason is the deadline", async () => {
  const link = { ...OPEN, there: false };
  const { device } = await setUp("answered", { link, deadline: 20 });
  expect(await device.classify(unsureSample(1))).toMatchObject({ source: "fallback", reason: "deadline" });
});
