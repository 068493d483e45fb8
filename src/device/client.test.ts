import { setTimeout } from "node:timers/promises";
import { connectAsync } from "mqtt";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { BROKERS, freePort } from "../../test/support/brokers.ts";
import { tinyAnswer, tinyBundle } from "../../test/support/tiny-bundle.ts";
import { otherHybrid, tinyCloudLabel, tinyHybrid, unsureSample } from "../../test/support/tiny-cloud.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { startWorker } from "../cloud/worker.ts";
import { openEngine } from "../engine/open.ts";
import { HedgeError } from "../errors.ts";
import { decodeOffload, encodeResult, type Offload, type Result } from "../wire/frames.ts";
import { OFFLOAD_FILTER, resultTopic } from "../wire/topics.ts";
import { DeviceClient, type DeviceOptions } from "./client.ts";

const log = pino({ level: "silent" });
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function broker(port?: number) {
  const started = await BROKERS.aedes(port);
  cleanups.push(() => started.close());
  return started;
}

/** Nothing is offered again, and nothing given up, however slow the machine is; tests of either say so. */
const PATIENT = { deadline: 3_600_000, backoff: { first: 3_600_000, longest: 3_600_000 } };

async function device(url: string, bundle: Bundle, options: Partial<DeviceOptions> = {}) {
  const engine = openEngine(bundle, "wasm3");
  const settings = { id: "d", broker: url, engine, digest: bundle.digest, ...PATIENT, ...options };
  const connected = await DeviceClient.connect(settings);
  cleanups.push(() => connected.close());
  return connected;
}

/** Answers by hand, so that a test can do what no worker does. */
async function puppet(url: string, onOffload: (offload: Offload, reply: (result: Partial<Result>) => void) => void) {
  const client = await connectAsync(url);
  cleanups.push(() => client.endAsync(true));
  client.on("message", (_topic, frame) => {
    const offload = decodeOffload(frame);
    const { model, session, sample } = offload;
    onOffload(offload, (changes) => {
      const result: Result = {
        model,
        session,
        sample,
        state: "answered",
        label: 1,
        confidence: 0.9,
        worker: "p",
        ms: 1,
        ...changes,
      };
      client.publish(resultTopic("d"), Buffer.from(encodeResult(result)), { qos: 1 });
    });
  });
  await client.subscribeAsync(OFFLOAD_FILTER, { qos: 1 });
  return client;
}

const SURE = Int8Array.of(1, 2, 3, 4);
const until = async (condition: () => boolean) => {
  while (!condition()) await setTimeout(5);
};

describe("the edge client", () => {
  it("answers what it is sure of itself, and takes the cloud's answer for the rest", async () => {
    const bundle = await tinyHybrid();
    const { url } = await broker();
    const worker = await startWorker({ broker: url, bundles: [bundle], name: "w", processes: 1, log });
    cleanups.push(() => worker.stop());
    const client = await device(url, bundle);
    expect(await client.classify(SURE)).toEqual({
      label: tinyAnswer(SURE).label,
      source: "edge",
      confirmed: true,
      confidence: undefined,
      edge: tinyAnswer(SURE),
      attempts: 0,
    });
    const taken = [];
    for (let i = 0; i < 30; i++) taken.push(await client.submit(unsureSample(i)));
    const answers = await Promise.all(taken.map(({ answer }) => answer));
    expect(answers.map(({ label }) => label)).toEqual(answers.map((_, i) => tinyCloudLabel(unsureSample(i))));
    expect(answers.map(({ edge }) => edge)).toEqual(answers.map((_, i) => tinyAnswer(unsureSample(i))));
    expect(answers.every(({ source, confirmed }) => source === "cloud" && confirmed)).toBe(true);
    expect(client.counts).toMatchObject({
      samples: 31,
      exited: 1,
      offloaded: 30,
      offered: 30,
      answered: 30,
      unconfirmed: 0,
    });
  });

  it("takes its own exit's answer at the deadline, marked unconfirmed, after offering more than once", async () => {
    const bundle = await tinyHybrid();
    const { url } = await broker();
    const client = await device(url, bundle, { deadline: 300, backoff: { first: 50, longest: 50 } });
    const answer = await client.classify(unsureSample(3));
    expect(answer).toMatchObject({ label: tinyAnswer(unsureSample(3)).label, source: "fallback", confirmed: false });
    expect(answer.attempts).toBeGreaterThan(1);
    expect(client.counts).toMatchObject({ offloaded: 1, offered: answer.attempts, answered: 0, unconfirmed: 1 });
  });

  it("falls back without waiting for the deadline when no worker has its model", async () => {
    const [bundle, other] = [await tinyHybrid(), await otherHybrid()];
    const { url } = await broker();
    const worker = await startWorker({ broker: url, bundles: [other], name: "w", processes: 1, log });
    cleanups.push(() => worker.stop());
    const client = await device(url, bundle);
    expect(await client.classify(unsureSample(1))).toMatchObject({ source: "fallback", confirmed: false, attempts: 1 });
    expect(client.counts).toMatchObject({ refused: 1, unconfirmed: 1 });
    expect(worker.counts.dead).toBe(1);
  });

  it("counts each result once, and believes only results for its own samples and model", async () => {
    const bundle = await tinyHybrid();
    const { url } = await broker();
    const client = await device(url, bundle);
    const hand = await puppet(url, ({ session }, reply) => {
      reply({ model: "5e".repeat(32), label: 2 });
      reply({ label: 3 }); // the model has three classes
      reply({ session: (session + 1) % 2 ** 32, label: 2 });
      reply({ label: 1 });
      reply({ label: 2 });
    });
    await hand.publishAsync(resultTopic("d"), Buffer.from("garbage"), { qos: 1 });
    expect(await client.classify(unsureSample(1))).toMatchObject({ label: 1, source: "cloud", confidence: 0.9 });
    await until(() => client.counts.duplicates === 2);
    expect(client.counts).toMatchObject({ answered: 1, duplicates: 2, invalid: 3 });
  });

  it("takes no sample beyond those it may hold", async () => {
    const bundle = await tinyHybrid();
    const { url } = await broker();
    const replies: (() => void)[] = [];
    await puppet(url, (_, reply) => replies.push(() => reply({})));
    const client = await device(url, bundle, { maxInFlight: 2 });
    const first = [await client.submit(unsureSample(0)), await client.submit(unsureSample(1))];
    let third = false;
    const waiting = client.submit(unsureSample(2)).then((taken) => {
      third = true;
      return taken;
    });
    await until(() => replies.length === 2);
    expect([third, client.counts.offered]).toEqual([false, 2]);
    replies[0]?.();
    await first[0]?.answer;
    await waiting;
    expect(client.counts.offloaded).toBe(3);
  });

  it("comes back after the broker did, and offers again what waited", async () => {
    const bundle = await tinyHybrid();
    const old = await BROKERS.aedes();
    const client = await device(old.url, bundle, { backoff: { first: 200, longest: 200 } });
    const { answer } = await client.submit(unsureSample(1));
    await until(() => client.counts.offered > 0);
    await old.close();
    await until(() => !client.connected);
    // The engine goes on meanwhile.
    expect(await client.classify(SURE)).toMatchObject({ source: "edge" });
    const offline = await client.submit(unsureSample(2));
    await broker(old.port);
    await puppet(old.url, (_, reply) => reply({}));
    expect(await answer).toMatchObject({ source: "cloud", confirmed: true });
    expect(await offline.answer).toMatchObject({ source: "cloud", confirmed: true });
  });

  it("gives what still waits its unconfirmed answer when it is closed", async () => {
    const bundle = await tinyHybrid();
    const { url } = await broker();
    const client = await device(url, bundle);
    const { answer } = await client.submit(unsureSample(1));
    await client.close();
    expect(await answer).toMatchObject({ source: "fallback", confirmed: false });
    await expect(client.submit(SURE)).rejects.toThrow("The device is closed");
  });

  it("refuses an edge-only model, which has nothing to offload", async () => {
    const { url } = await broker();
    await expect(device(url, await tinyBundle({ edgeOnly: true }))).rejects.toMatchObject({
      kind: "input",
      message: "The bundle tiny has no cloud part: it is edge-only, and its device answers every sample itself.",
    });
  });

  it("goes on after a sample of the wrong size", async () => {
    const { url } = await broker();
    const client = await device(url, await tinyHybrid());
    await expect(client.submit(new Int8Array(3))).rejects.toThrow(HedgeError);
    expect(await client.classify(SURE)).toMatchObject({ source: "edge" });
  });

  it.each([
    ["a name that is a wildcard", { id: "+" }, "usage"],
    ["no broker there", {}, "network"],
    ["a broker that is a host nobody knows", { broker: "mqtt://no-such-host.invalid" }, "network"],
  ])("refuses %s", async (_, changes, kind) => {
    const bundle = await tinyHybrid();
    const engine = openEngine(bundle, "v8");
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const error = await DeviceClient.connect({ id: "d", broker: url, engine, digest: bundle.digest, ...changes }).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(HedgeError);
    expect(error).toMatchObject({ kind });
  });
});
