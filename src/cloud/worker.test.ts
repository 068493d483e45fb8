import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { BROKERS, freePort, type TestBroker } from "../../test/support/brokers.ts";
import { type OffloadProbe, offloadOf, offloadProbe } from "../../test/support/offload-probe.ts";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import { otherHybrid, tinyCloudLabel, tinyCloudOnnx, tinyHybrid, unsureSample } from "../../test/support/tiny-cloud.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import { encodeOffload } from "../wire/frames.ts";
import { offloadTopic, statusTopic } from "../wire/topics.ts";
import type { WorkerMode } from "./connect.ts";
import { type CloudWorker, startWorker } from "./worker.ts";

const log = pino({ level: "silent" });
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function probe(broker: TestBroker): Promise<OffloadProbe> {
  const client = await offloadProbe(broker.url);
  cleanups.push(client.close);
  return client;
}

async function setUp(
  kind: keyof typeof BROKERS,
  bundle: Bundle,
  options: { mode?: WorkerMode; workers?: number } = {},
) {
  const broker = await BROKERS[kind]();
  cleanups.push(() => broker.close());
  const watcher = await probe(broker);
  const workers: CloudWorker[] = [];
  for (let i = 0; i < (options.workers ?? 1); i++) {
    const { mode } = options;
    const worker = await startWorker({ broker: broker.url, bundles: [bundle], name: `w${i}`, mode, processes: 1, log });
    cleanups.push(() => worker.stop());
    workers.push(worker);
  }
  return { broker, watcher, workers, worker: workers[0] as CloudWorker };
}

describe.each(["aedes", "mosquitto"] as const)("a worker on %s", (kind) => {
  it("answers every sample with the label of the cloud part", async () => {
    const bundle = await tinyHybrid();
    const { watcher, worker } = await setUp(kind, bundle);
    const count = 100;
    for (let i = 0; i < count; i++) await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, i)));
    await watcher.until(() => watcher.results.length === count);
    const labels = watcher.results.toSorted((a, b) => a.sample - b.sample).map((result) => result.label);
    expect(labels).toEqual(Array.from({ length: count }, (_, i) => tinyCloudLabel(unsureSample(i))));
    expect(new Set(labels)).toEqual(new Set([0, 1, 2]));
    for (const { state, confidence, worker } of watcher.results) {
      expect(state).toBe("answered");
      expect(worker).toBe("w0");
      expect(confidence).toBeGreaterThan(1 / 3);
    }
    expect(worker.counts).toEqual({ answered: count, repeated: 0, expired: 0, limited: 0, dead: 0 });
  });

  it("gives a sample that is offered again the same answer, without another run", async () => {
    const bundle = await tinyHybrid();
    const { watcher, worker } = await setUp(kind, bundle);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, 7, { attempt })));
    }
    // Another life of the device, another device: other samples.
    await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, 7, { session: 2 })));
    await watcher.send(offloadTopic("e"), encodeOffload(offloadOf(bundle, 7)));
    await watcher.until(() => watcher.results.length === 5);
    expect(new Set(watcher.results.map((result) => `${result.state} ${result.label}`)).size).toBe(1);
    expect(worker.counts).toEqual({ answered: 3, repeated: 2, expired: 0, limited: 0, dead: 0 });
  });

  it("says so when a sample comes after its deadline", async () => {
    const bundle = await tinyHybrid();
    const { watcher, worker } = await setUp(kind, bundle);
    await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, 1, { deadline: Date.now() - 1 })));
    await watcher.until(() => watcher.results.length === 1);
    expect(watcher.results[0]).toMatchObject({ state: "expired", sample: 1 });
    expect(worker.counts).toEqual({ answered: 0, repeated: 0, expired: 1, limited: 0, dead: 0 });
  });

  it("writes dead letters for what it cannot serve, and goes on", async () => {
    const bundle = await tinyHybrid();
    const { watcher, worker } = await setUp(kind, bundle);
    const topic = offloadTopic("d");
    const nested = new Uint8Array(60_000).fill(0x91);
    await watcher.send(topic, nested);
    await watcher.send(topic, new Uint8Array());
    await watcher.send(offloadTopic("ä"), encodeOffload(offloadOf(bundle, 1)));
    await watcher.send(topic, encodeOffload(offloadOf(bundle, 2, { model: "5e".repeat(32) })));
    await watcher.send(topic, encodeOffload(offloadOf(bundle, 3, { payload: new Uint8Array(5) })));
    await watcher.send(topic, encodeOffload(offloadOf(bundle, 4)));
    await watcher.until(() => watcher.dead.length === 5 && watcher.results.length === 3);
    const letters = watcher.dead.map(({ reason, device, size }) => [reason, device, size]);
    expect(letters.slice(0, 3)).toEqual([
      ["frame", "d", 60_000],
      ["frame", "d", 0],
      ["topic", "", encodeOffload(offloadOf(bundle, 1)).length],
    ]);
    expect(watcher.dead[0]?.head).toEqual(Buffer.alloc(64, 0x91));
    expect(watcher.dead.map(({ sentence }) => sentence)).toEqual([
      expect.stringContaining("something else than a number"),
      expect.stringContaining("does not begin with a msgpack array"),
      expect.stringContaining("names no device"),
      expect.stringContaining("has no model 5e5e5e5e5e5e"),
      expect.stringContaining("has 5 bytes where the model tiny has 4"),
    ]);
    const states = watcher.results.map(({ sample, state }) => [sample, state]);
    expect(states).toEqual(
      expect.arrayContaining([
        [2, "refused"],
        [3, "refused"],
        [4, "answered"],
      ]),
    );
    expect(worker.counts).toEqual({ answered: 1, repeated: 0, expired: 0, limited: 0, dead: 5 });
  });

  it("tells its status, and answers what it took before it goes", async () => {
    const bundle = await tinyHybrid();
    const { watcher, worker } = await setUp(kind, bundle);
    await watcher.until(() => watcher.statuses.get(statusTopic("w0")) === "online");
    for (let i = 0; i < 20; i++) await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, i)));
    await watcher.until(() => watcher.results.length > 0);
    await worker.stop();
    await watcher.until(() => watcher.statuses.get(statusTopic("w0")) === "offline");
    // What it counts as answered has been sent: nothing is in between.
    expect(watcher.results).toHaveLength(worker.counts.answered);
  });
});

describe("workers that share samples (MQTT 5)", () => {
  it("answer each sample once between them", async () => {
    const bundle = await tinyHybrid();
    const { watcher, workers } = await setUp("mosquitto", bundle, { mode: "shared", workers: 2 });
    const count = 60;
    for (let i = 0; i < count; i++) await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(bundle, i)));
    await watcher.until(() => watcher.results.length === count);
    expect(new Set(watcher.results.map((result) => result.sample)).size).toBe(count);
    const answered = workers.map((worker) => worker.counts.answered);
    expect(answered.reduce((a, b) => a + b)).toBe(count);
    for (const share of answered) expect(share).toBeGreaterThan(0);
  });

  it("need a broker that speaks it", async () => {
    const broker = await BROKERS.aedes();
    cleanups.push(() => broker.close());
    const bundles = [await tinyHybrid()];
    const error = await startWorker({
      broker: broker.url,
      bundles,
      name: "w",
      mode: "shared",
      processes: 1,
      log,
    }).catch((e) => e);
    expect(error).toBeInstanceOf(HedgeError);
    expect(error).toMatchObject({ kind: "network", remedy: expect.stringContaining("mosquitto") });
  });
});

describe("a worker refuses to start", () => {
  it("without a broker", async () => {
    const broker = `mqtt://127.0.0.1:${await freePort()}`;
    const bundles = [await tinyHybrid()];
    const error = await startWorker({ broker, bundles, name: "w", processes: 1, log }).catch((e) => e);
    expect(error).toBeInstanceOf(HedgeError);
    expect(error).toMatchObject({ kind: "network", message: expect.stringContaining(broker) });
  });

  it.each([
    ["not a broker's address", { broker: "http://127.0.0.1" }, "usage", "not the address of an MQTT broker"],
    ["a name with a slash", { name: "a/b" }, "usage", "cannot name a worker"],
    ["no bundle", { bundles: [] }, "usage", "no bundle to serve"],
    ["an edge-only bundle", { bundles: [() => tinyBundle({ edgeOnly: true })] }, "input", "has no cloud part"],
    [
      "a cloud part that is no model",
      { bundles: [() => tinyBundle()] },
      "input",
      "does not load the cloud part of tiny",
    ],
  ])("with %s", async (_, changes, kind, message) => {
    const { bundles: makers = [tinyHybrid], ...rest } = changes as { bundles?: (() => Promise<Bundle>)[] };
    const bundles = await Promise.all(makers.map((make) => make()));
    const options = { broker: "mqtt://127.0.0.1:1", bundles, name: "w", processes: 1, log, ...rest };
    const error = await startWorker(options).catch((e) => e);
    expect(error).toBeInstanceOf(HedgeError);
    expect(error).toMatchObject({ kind, message: expect.stringContaining(message) });
  });
});

describe("a cloud part that does not fit its manifest", () => {
  it("dead-letters its samples and leaves other models alone", async () => {
    const misfit = await tinyBundle({
      // Two logits where the manifest has three classes.
      cloudOnnx: tinyCloudOnnx([
        [1, 2, 3, 4],
        [4, 3, 2, 1],
      ]),
    });
    const good = await otherHybrid();
    const broker = await BROKERS.aedes();
    cleanups.push(() => broker.close());
    const watcher = await probe(broker);
    const worker = await startWorker({ broker: broker.url, bundles: [misfit, good], name: "w", processes: 1, log });
    cleanups.push(() => worker.stop());
    await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(misfit, 1)));
    await watcher.send(offloadTopic("d"), encodeOffload(offloadOf(good, 2)));
    await watcher.until(() => watcher.results.length === 2 && watcher.dead.length === 1);
    expect(watcher.dead[0]).toMatchObject({
      reason: "inference",
      sentence: expect.stringContaining("3 finite logits"),
    });
    expect(watcher.results.map(({ sample, state }) => [sample, state])).toEqual([
      [1, "refused"],
      [2, "answered"],
    ]);
  });
});
