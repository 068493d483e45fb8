import { once } from "node:events";
import { connect } from "node:net";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, it } from "vitest";
import { HedgeError } from "../errors.ts";
import { FRAME_LIMITS } from "../wire/frames.ts";
import { startBroker } from "./broker.ts";

const closing = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));

it("ends the connection of who sends more than a frame, and of nobody else", async () => {
  const broker = await startBroker();
  const [good, bad] = await Promise.all([connectAsync(broker.url), connectAsync(broker.url, { reconnectPeriod: 0 })]);
  await good.subscribeAsync("t", { qos: 1 });
  const heard: number[] = [];
  good.on("message", (_topic, message) => heard.push(message.length));
  const closed = closing(bad);
  bad.publish("t", Buffer.alloc(FRAME_LIMITS.offload + 1), { qos: 1 });
  await closed;
  const answer = new Promise<void>((resolve) => good.once("message", () => resolve()));
  await good.publishAsync("t", Buffer.alloc(FRAME_LIMITS.offload), { qos: 1 });
  await answer;
  expect(heard).toEqual([FRAME_LIMITS.offload]);
  await Promise.all([good.endAsync(true), bad.endAsync(true)]);
  await broker.close();
});

it("leaves its port free when it closes, whoever is connected", async () => {
  const broker = await startBroker();
  const silent = connect(broker.port, "127.0.0.1");
  await once(silent, "connect");
  const client = await connectAsync(broker.url, { reconnectPeriod: 0 });
  const gone = [once(silent, "close"), closing(client)];
  await broker.close();
  await Promise.all(gone);
  await client.endAsync(true);
  const again = await startBroker({ port: broker.port });
  expect(again.url).toBe(broker.url);
  await expect(startBroker({ port: broker.port })).rejects.toThrow(HedgeError);
  await again.close();
});
