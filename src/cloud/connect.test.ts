/** A worker finds out how it may share, and comes back to a broker that was killed. */
import { connectAsync } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { BROKERS, startMosquitto } from "../../test/support/brokers.ts";
import { emitted } from "../../test/support/emitted.ts";
import { offloadTopic } from "../wire/topics.ts";
import { connectWorker, type WorkerConnectionOptions } from "./connect.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A worker that writes down what it gets. */
async function worker(broker: string, name: string, options: Partial<WorkerConnectionOptions> = {}) {
  const heard: string[] = [];
  const connection = await connectWorker({
    broker,
    name,
    prepare: (client) => client.on("message", (_topic, message) => heard.push(message.toString())),
    ...options,
  });
  cleanups.push(() => connection.close());
  return { ...connection, heard };
}

async function offload(broker: string, count: number): Promise<void> {
  const device = await connectAsync(broker);
  for (let i = 0; i < count; i++) await device.publishAsync(offloadTopic("porch"), `sample ${i}`, { qos: 1 });
  await device.endAsync();
}

describe("a worker's connection", () => {
  it("shares on a broker with MQTT 5: each sample goes to one of a group", async () => {
    const broker = await BROKERS.mosquitto();
    cleanups.push(() => broker.close());
    const pair = [await worker(broker.url, "w1"), await worker(broker.url, "w2")];
    const alone = await worker(broker.url, "w3", { group: "another-group" });
    expect(pair.map(({ shared, version }) => [shared, version])).toEqual([
      [true, 5],
      [true, 5],
    ]);
    await offload(broker.url, 10);
    while (pair.reduce((sum, { heard }) => sum + heard.length, 0) < 10 || alone.heard.length < 10) {
      await Promise.race([...pair, alone].map(({ client }) => emitted(client, "message")));
    }
    expect(pair.flatMap(({ heard }) => heard).sort()).toEqual(alone.heard.sort());
    expect(pair.every(({ heard }) => heard.length > 0)).toBe(true);
  });

  it("is the only one where the broker speaks MQTT 3.1.1, or where it is told so", async () => {
    const [old, young] = [await BROKERS.aedes(), await BROKERS.mosquitto()];
    cleanups.push(
      () => old.close(),
      () => young.close(),
    );
    expect(await worker(old.url, "w1")).toMatchObject({ shared: false, version: 4, policy: { needs: "MQTT 3.1.1" } });
    expect(await worker(young.url, "w1", { mode: "single" })).toMatchObject({ shared: false, version: 5 });
    await expect(worker(old.url, "w2", { mode: "shared" })).rejects.toMatchObject({
      kind: "network",
      remedy: "Use a broker that speaks MQTT 5, such as mosquitto.",
    });
    await expect(worker(young.url, "w2", { group: "a/b" })).rejects.toMatchObject({ kind: "usage" });
  });

  it("comes back to a broker that was killed, with its subscription", async () => {
    const first = await startMosquitto();
    const taker = await worker(first.url, "w1");
    const lost = emitted(taker.client, "close");
    await first.kill();
    await lost;
    const back = emitted(taker.client, "connect");
    const second = await startMosquitto(first.port);
    cleanups.push(() => second.close());
    await back;
    // Subscriptions are renewed before what is asked for now.
    await taker.client.subscribeAsync("later", { qos: 1 });
    const heard = emitted(taker.client, "message");
    await offload(second.url, 1);
    await heard;
    expect(taker.heard).toEqual(["sample 0"]);
  });

  it("takes no further samples once it leaves", async () => {
    const broker = await BROKERS.mosquitto();
    cleanups.push(() => broker.close());
    const [gone, stays] = [await worker(broker.url, "w1"), await worker(broker.url, "w2")];
    await gone.leave();
    await offload(broker.url, 4);
    while (stays.heard.length < 4) await emitted(stays.client, "message");
    expect([gone.client.connected, gone.heard]).toEqual([true, []]);
  });
});
