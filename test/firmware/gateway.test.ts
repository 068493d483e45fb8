/**
 * Devices without a network at the broker: the firmware as a process, its UART as a TCP port, `hedge gateway`'s parts, mosquitto and the
 * real worker.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { connectAsync } from "mqtt";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { startWorker } from "../../src/cloud/worker.ts";
import { type Gateway, startGateway } from "../../src/gateway/gateway.ts";
import { encodeLinkFrame, LINK_CHANNELS } from "../../src/link/codec.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey } from "../../src/slot/keys.ts";
import { type DeviceEvent, EVENT_CODES } from "../../src/wire/device-frames.ts";
import { FRAME_TYPES, type FrameKind, kindOf } from "../../src/wire/fields.ts";
import { commandTopic, eventTopic, resultTopic, statusTopic } from "../../src/wire/topics.ts";
import { startMosquitto, type TestBroker } from "../support/brokers.ts";
import { flashWith, startHostBoard } from "../support/host-device.ts";
import { type Relay, startRelay } from "../support/relay.ts";
import { tinyCloudLabel, tinyHybrid, unsureSample } from "../support/tiny-cloud.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const key = generateKey();
const log = pino({ level: "silent" });

/** A board at the far end of a line. */
interface FarBoard extends Relay {
  readonly child: ChildProcess;
}

/** Starts one with a configuration and no model yet. */
async function startBoard(id: string): Promise<FarBoard> {
  const flash = await flashWith({
    id,
    transport: "uart",
    signers: [key.point],
    retryFirstMs: 100,
    deadlineMs: 60_000,
  });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  const relay = await startRelay(board.link);
  cleanups.push(() => relay.close());
  return Object.assign(relay, { child: board.child });
}

async function startBroker(port?: number): Promise<TestBroker> {
  const broker = await startMosquitto(port);
  cleanups.push(() => broker.close());
  return broker;
}

async function gatewayFor(broker: TestBroker, boards: readonly Relay[]): Promise<Gateway> {
  const gateway = await startGateway({ links: boards.map(({ link }) => link), broker: broker.url, log });
  cleanups.push(() => gateway.stop());
  return gateway;
}

/** What the broker knows of who is there; `until` resolves once that is as it should be. */
async function watchStatus(broker: TestBroker) {
  const client = await connectAsync(broker.url);
  cleanups.push(() => client.endAsync(true));
  const heard: [name: string, status: string][] = [];
  let checks: (() => void)[] = [];
  client.on("message", (topic, message) => {
    heard.push([topic.split("/")[2]!, message.toString()]);
    for (const check of checks) check();
  });
  await client.subscribeAsync(statusTopic("+"), { qos: 1 });
  const until = (name: string, status: string) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (heard.findLast(([who]) => who === name)?.[1] !== status) return;
        checks = checks.filter((other) => other !== check);
        resolve();
      };
      checks.push(check);
      check();
    });
  return { client, heard, until };
}

/** An operator's view over MQTT, and the events that come. */
async function operate(broker: TestBroker, id: string) {
  const events: DeviceEvent[] = [];
  const device = await RemoteDevice.overMqtt({ broker: broker.url }, id, { onEvent: (event) => events.push(event) });
  cleanups.push(() => device.close());
  return { device, events };
}

/** Brings a model onto a device and confirms it, as `hedge flash` does. */
async function install(device: RemoteDevice, image: Uint8Array): Promise<void> {
  await device.update(image);
  await device.install();
  while (!(await device.describe()).model);
  await device.confirm();
}

describe("a device behind the gateway", () => {
  it("gets a model over MQTT and answers as the cloud does where its exit is not sure", async () => {
    const bundle = await tinyHybrid();
    const broker = await startBroker();
    const worker = await startWorker({ broker: broker.url, bundles: [bundle], name: "w", processes: 1, log });
    cleanups.push(() => worker.stop());
    const board = await startBoard("porch");
    const gateway = await gatewayFor(broker, [board]);
    const { device, events } = await operate(broker, "porch");
    expect(device.name).toBe("porch");
    expect((await device.describe()).model).toBeUndefined();

    await install(device, createImage(bundle, key, 1).bytes);
    expect(events).toContainEqual(expect.objectContaining({ code: EVENT_CODES.started, number: 2 }));
    const { model } = await device.describe();
    expect(model).toMatchObject({ name: "tiny", digest: bundle.digest, counter: 1, trial: false });

    const samples = Array.from({ length: 30 }, (_, i) => unsureSample(i));
    const answers = await Promise.all(samples.map((sample) => device.sample(new Uint8Array(sample.buffer))));
    expect(answers.map(({ source }) => source)).toEqual(samples.map(() => "cloud"));
    expect(answers.map(({ label }) => label)).toEqual(samples.map(tinyCloudLabel));
    const sure = await device.sample(Uint8Array.of(1, 2, 3, 0));
    expect(sure).toMatchObject({ source: "edge", attempts: 0 });
    const { counts } = await device.describe();
    expect(counts).toMatchObject({ samples: 31, exited: 1, offloaded: 30, answered: 30, unconfirmed: 0, invalid: 0 });
    expect(worker.counts.answered).toBe(30);
    expect(gateway.counts()).toMatchObject({ invalid: 0, dropped: 0 });
  });

  it("is offline while its line is cut, and comes back by itself", async () => {
    const broker = await startBroker();
    const board = await startBoard("porch");
    await gatewayFor(broker, [board]);
    const status = await watchStatus(broker);
    await status.until("porch", "online");
    for (let i = 0; i < 2; i++) {
      board.cut();
      await status.until("porch", "offline");
      await status.until("porch", "online");
      const { device } = await operate(broker, "porch");
      expect((await device.describe()).board).toBe("host");
    }
  });

  it("is offline when it says nothing, though its line is there, and comes back when it does", async () => {
    const broker = await startBroker();
    const board = await startBoard("porch");
    await gatewayFor(broker, [board]);
    const status = await watchStatus(broker);
    await status.until("porch", "online");
    board.child.kill("SIGSTOP");
    await status.until("porch", "offline");
    board.child.kill("SIGCONT");
    await status.until("porch", "online");
  });

  it("holds its samples while the broker is away, and has them answered when it is back", async () => {
    const bundle = await tinyHybrid();
    const broker = await startMosquitto();
    const board = await startBoard("porch");
    await gatewayFor(broker, [board]);
    const { device } = await operate(broker, "porch");
    await install(device, createImage(bundle, key, 1).bytes);
    const samples = [unsureSample(3), unsureSample(4)];
    const answers = Promise.all(samples.map((sample) => device.sample(new Uint8Array(sample.buffer))));
    while ((await device.describe()).counts.offered < 2);
    await broker.close();

    const again = await startBroker(broker.port);
    // The operator is back before there is anybody to answer.
    const { counts } = await device.describe();
    expect(counts).toMatchObject({ offloaded: 2, answered: 0, unconfirmed: 0 });
    const worker = await startWorker({ broker: again.url, bundles: [bundle], name: "w", processes: 1, log });
    cleanups.push(() => worker.stop());
    expect((await answers).map(({ source, label }) => [source, label])).toEqual(
      samples.map((sample) => ["cloud", tinyCloudLabel(sample)]),
    );
    const after = (await device.describe()).counts;
    expect(after).toMatchObject({ answered: 2, unconfirmed: 0 });
    expect(after.reconnects).toBeGreaterThan(0);
  });

  it("is left out when another has its name, and takes its place once that one is gone", async () => {
    const broker = await startBroker();
    const boards = [await startBoard("porch"), await startBoard("porch")] as const;
    const heard = new Set<string>();
    const listening = pino({}, { write: (line: string) => heard.add((JSON.parse(line) as { msg: string }).msg) });
    const links = boards.map(({ link }) => link);
    const gateway = await startGateway({ links, broker: broker.url, log: listening });
    cleanups.push(() => gateway.stop());
    const status = await watchStatus(broker);
    await status.until("porch", "online");
    const { device } = await operate(broker, "porch");
    while (!heard.has("another link has a device named porch; this one is left out")) await device.describe();
    // Whichever came first goes; the other one answers from then on.
    for (const board of boards) {
      board.target = undefined;
      board.cut();
      if (board === boards[0]) expect((await device.describe()).device).toBe("porch");
    }
    await status.until("porch", "offline");
  });

  it("with a network of its own is left to it", async () => {
    const broker = await startBroker();
    // What such a board says; the host's has none.
    const hello = encodeLinkFrame(LINK_CHANNELS.hello, Buffer.from("\x01\x00wired"));
    const board = createServer((line) => line.on("error", () => undefined).write(hello)).listen(0, "127.0.0.1");
    await once(board, "listening");
    cleanups.push(() => board.close());
    const noted = new Promise<string>((resolve) => {
      const write = (line: string) => {
        const { msg } = JSON.parse(line) as { msg: string };
        if (msg.includes("wired")) resolve(msg);
      };
      const link = `tcp:127.0.0.1:${(board.address() as { port: number }).port}`;
      void startGateway({ links: [link], broker: broker.url, log: pino({}, { write }) }).then((gateway) =>
        cleanups.push(() => gateway.stop()),
      );
    });
    const status = await watchStatus(broker);
    expect(await noted).toBe("wired has a network of its own; its log is shown");
    expect(status.heard).toEqual([]);
  });

  it("gets nothing that breaks the schema, and the broker gets nothing of that kind from it", async () => {
    const broker = await startBroker();
    const board = await startBoard("porch");
    const gateway = await gatewayFor(broker, [board]);
    const { client } = await watchStatus(broker);
    const { device } = await operate(broker, "porch");
    const before = await device.describe();
    const first = new Promise<FrameKind | undefined>((resolve) => {
      client.on("message", (topic, message) => topic === eventTopic("porch") && resolve(kindOf(message)));
    });
    await client.subscribeAsync(eventTopic("porch"), { qos: 1 });

    const junk = [Buffer.alloc(0), Buffer.alloc(5000, 0x91), Buffer.from("hello"), Buffer.alloc(70_000, 1)];
    for (const topic of [commandTopic("porch"), resultTopic("porch")]) {
      for (const bytes of junk) await client.publishAsync(topic, bytes, { qos: 1 });
    }
    const types = [...Object.values(FRAME_TYPES), 20, 31];
    board.inject(Buffer.concat(types.flatMap((type) => junk.slice(0, 3).map((bytes) => encodeLinkFrame(type, bytes)))));
    // What is behind the junk shows that all of it was looked at; what is too large the broker does not even bring.
    const after = await device.describe();
    expect(gateway.counts().invalid).toBe(2 * (junk.length - 1) + 3 * types.length);
    expect(after.counts.invalid).toBe(before.counts.invalid);
    expect(await first).toBe("description");
  });
});
