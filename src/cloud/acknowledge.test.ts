import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { Aedes } from "aedes";
import { connectAsync } from "mqtt";
import { afterEach, expect, it } from "vitest";
import { BROKERS } from "../../test/support/brokers.ts";
import { emitted } from "../../test/support/emitted.ts";
import { openConnection } from "../wire/connection.ts";
import { takeMessages } from "./acknowledge.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A broker that tells its acknowledgements, a receiver whose work ends when the test says so, and a sender. */
async function setUp(limit: number) {
  const aedes = await Aedes.createBroker();
  const server = createServer(aedes.handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => new Promise<void>((resolve) => aedes.close(() => resolve())).then(() => server.close()));
  // How many acknowledgements the broker has read.
  const acknowledged = { count: 0 };
  aedes.on("ack", () => {
    acknowledged.count++;
  });
  const { port } = server.address() as { port: number };
  const receiver = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 20 });
  const sender = await connectAsync(`mqtt://127.0.0.1:${port}`);
  cleanups.push(
    () => receiver.endAsync(true),
    () => sender.endAsync(true),
  );
  const working = new Map<string, () => void>();
  const intake = takeMessages(receiver, limit, (_topic, message) => {
    return new Promise<void>((resolve) => working.set(Buffer.from(message).toString(), resolve));
  });
  await receiver.subscribeAsync("t", { qos: 1 });
  const finish = (message: string) => {
    working.get(message)?.();
    working.delete(message);
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await setTimeout(5);
  };
  return {
    acknowledged,
    working,
    finish,
    until,
    intake,
    send: (message: string, topic = "t", retain = false) => sender.publishAsync(topic, message, { qos: 1, retain }),
    receiver,
  };
}

it("acknowledges each message when its own work is done, not before, in whatever order", async () => {
  const { acknowledged, working, finish, until, intake, send, receiver } = await setUp(10);
  for (const message of ["a", "b", "c"]) await send(message);
  await until(() => working.size === 3);
  expect(intake.pending).toBe(3);
  // The broker answers what comes after the acknowledgements later than it reads them.
  await receiver.subscribeAsync("other", { qos: 1 });
  expect(acknowledged.count).toBe(0);
  finish("b");
  await until(() => acknowledged.count === 1);
  await receiver.subscribeAsync("other", { qos: 1 });
  expect(acknowledged.count).toBe(1);
  finish("a");
  finish("c");
  await intake.drained();
  await until(() => acknowledged.count === 3);
  expect(intake.pending).toBe(0);
});

it("takes no more than its limit, and goes on as work ends", async () => {
  const { acknowledged, working, finish, until, intake, send, receiver } = await setUp(2);
  for (let i = 0; i < 20; i++) await send(String(i));
  await until(() => working.size === 2);
  // What has reached the socket by now would have been taken.
  await setTimeout(100);
  expect(intake.pending).toBe(2);
  for (let i = 0; i < 20; i++) {
    await until(() => working.has(String(i)));
    expect(working.size).toBeLessThanOrEqual(2);
    finish(String(i));
  }
  await until(() => acknowledged.count === 20);
  expect(receiver.connected).toBe(true);
});

it("acknowledges on no other connection than the one that a message came on, and forgets what it held of it", async () => {
  const { acknowledged, working, finish, until, intake, send, receiver } = await setUp(1);
  await send("a");
  await until(() => working.size === 1);
  await send("b");
  // The socket is read no further: b is held. It is lost with its connection, and whoever sent it sends it again.
  const back = emitted(receiver, "connect");
  receiver.stream.destroy();
  await back;
  finish("a");
  await intake.drained();
  await receiver.subscribeAsync("other", { qos: 1 });
  expect([acknowledged.count, working.size]).toEqual([0, 0]);
  await send("c");
  await until(() => working.has("c"));
  finish("c");
  await until(() => acknowledged.count === 1);
});

it("does nothing with what was retained, and acknowledges it", async () => {
  const { acknowledged, working, until, send, receiver } = await setUp(1);
  await send("leftover", "kept", true);
  await receiver.subscribeAsync("kept", { qos: 1 });
  await until(() => acknowledged.count === 1);
  expect(working.size).toBe(0);
});

it("leaves the rest with a broker that honours its Receive Maximum, and goes on reading meanwhile", async () => {
  const broker = await BROKERS.mosquitto();
  const working: (() => void)[] = [];
  let taken = 0;
  const receiver = await openConnection({
    broker: broker.url,
    name: "w",
    receiveMaximum: 3,
    prepare: (client) => {
      takeMessages(client, 3, () => {
        taken++;
        return new Promise<void>((resolve) => working.push(resolve));
      });
    },
  });
  const sender = await connectAsync(broker.url);
  cleanups.push(
    () => broker.close(),
    () => receiver.endAsync(true),
    () => sender.endAsync(true),
  );
  await receiver.subscribeAsync("t", { qos: 1 });
  for (let i = 0; i < 10; i++) await sender.publishAsync("t", String(i), { qos: 1 });
  while (taken < 3) await setTimeout(5);
  // A fourth message would stop the socket, and this answer would not come.
  await receiver.subscribeAsync("other", { qos: 1 });
  expect([taken, working.length]).toEqual([3, 3]);
  while (taken < 10 || working.length > 0) {
    working.shift()?.();
    await setTimeout(1);
  }
  expect(receiver.connected).toBe(true);
});
