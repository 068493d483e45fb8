/** The device in C beside the one in TypeScript: the same samples, the same worker of bad habits, the same offers, answers and counts. */
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { DeviceClient } from "../../src/device/client.ts";
import { openEngine } from "../../src/engine/open.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey } from "../../src/slot/keys.ts";
import { openConnection } from "../../src/wire/connection.ts";
import { EVENT_CODES } from "../../src/wire/device-frames.ts";
import { decodeOffload, encodeResult, type Offload, type Result } from "../../src/wire/frames.ts";
import { deviceOf, OFFLOAD_FILTER, resultTopic } from "../../src/wire/topics.ts";
import { BROKERS } from "../support/brokers.ts";
import { flashWith, operate, startHostBoard } from "../support/host-device.ts";
import { tinyHybrid, unsureSample } from "../support/tiny-cloud.ts";

const SAMPLES = 40;
/** Nothing is offered again, and nothing given up, however slow the machine is. */
const PATIENT = { deadlineMs: 3_600_000, retryFirstMs: 3_600_000, retryLongestMs: 3_600_000 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What the worker does with the n-th sample: results to send, as they differ from a good one. The last settles it. */
const HABITS: readonly (readonly Partial<Result>[])[] = [
  [{}],
  [{ label: 2, confidence: 1 }],
  [{ state: "refused", label: 0, confidence: 0 }],
  [{ state: "expired", label: 0, confidence: 0 }],
  [{ model: "5e".repeat(32) }, {}],
  [{ label: 3 }, {}],
  [{ session: 0 }, { sample: 0xffffffff }, {}],
  [{}, { label: 2 }, { state: "refused" }],
];

/** Every fifth sample is sure. */
const sampleOf = (i: number): Int8Array => (i % 5 === 4 ? Int8Array.of(i, -i, 3, 4) : unsureSample(i));

/** A worker that does as HABITS say, and remembers the offers of each device. */
async function puppet(broker: string) {
  const offers = new Map<string, Omit<Offload, "session" | "deadline">[]>();
  const client = await openConnection({ broker, name: "puppet", prepare: () => undefined });
  cleanups.push(() => client.endAsync(true));
  client.on("message", (topic, frame) => {
    const device = deviceOf(topic)!;
    const { session, deadline, ...offer } = decodeOffload(frame);
    offers.set(device, [...(offers.get(device) ?? []), offer]);
    expect(deadline).toBeGreaterThan(Date.now());
    for (const changes of HABITS[offer.sample % HABITS.length]!) {
      const { model, sample } = offer;
      const good: Result = { model, session, sample, state: "answered", label: 1, confidence: 0.5, worker: "p", ms: 1 };
      client.publish(resultTopic(device), Buffer.from(encodeResult({ ...good, ...changes })), { qos: 1 });
    }
  });
  await client.subscribeAsync(OFFLOAD_FILTER, { qos: 1 });
  return offers;
}

it("the firmware offers, answers and counts as the host device does", async () => {
  const bundle = await tinyHybrid();
  const broker = await BROKERS.mosquitto();
  cleanups.push(() => broker.close());
  const offers = await puppet(broker.url);

  const engine = openEngine(bundle, "wasm3");
  const backoff = { first: PATIENT.retryFirstMs, longest: PATIENT.retryLongestMs };
  const client = await DeviceClient.connect({
    id: "host",
    broker: broker.url,
    engine,
    digest: bundle.digest,
    deadline: PATIENT.deadlineMs,
    backoff,
  });
  cleanups.push(() => client.close());
  const expected = [];
  for (let i = 0; i < SAMPLES; i++) expected.push(await client.classify(sampleOf(i)));

  const signer = generateKey();
  const flash = await flashWith({ id: "porch", transport: "uart", signers: [signer.point], ...PATIENT });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  const { device, until } = await operate(board.link);
  await device.update(createImage(bundle, signer, 1).bytes);
  await device.install();
  await until(EVENT_CODES.started, 2);
  await device.confirm();
  await device.close();
  const gateway = await startGateway({ links: [board.link], broker: broker.url, log: pino({ level: "silent" }) });
  cleanups.push(() => gateway.stop());
  const operator = await RemoteDevice.overMqtt({ broker: broker.url }, "porch");
  cleanups.push(() => operator.close());
  for (let i = 0; i < SAMPLES; i++) {
    const sample = sampleOf(i);
    const { source, label, edgeLabel, entropy, attempts } = await operator.sample(new Uint8Array(sample.buffer));
    const { edge, ...answer } = expected[i]!;
    expect({ i, source, label, edgeLabel, entropy, attempts }).toEqual({
      i,
      source: answer.source,
      label: answer.label,
      edgeLabel: edge.label,
      entropy: edge.entropy,
      attempts: answer.attempts,
    });
  }
  expect(offers.get("porch")).toEqual(offers.get("host"));
  const { dropped, reconnects, ...counts } = (await operator.describe()).counts;
  const { offeredBytes, ...same } = client.counts;
  expect(counts).toEqual(same);
  expect(counts.answered).toBeGreaterThan(20);
  expect(counts.unconfirmed).toBeGreaterThan(5);
  expect([dropped, reconnects]).toEqual([0, 0]);
});
