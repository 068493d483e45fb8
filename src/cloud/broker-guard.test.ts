/** The embedded broker with certificates: the rights of hedge acl's table, without mosquitto. */
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, it } from "vitest";
import { authority, type Certificate, signedBy } from "../../test/support/certificates.ts";
import { emitted } from "../../test/support/emitted.ts";
import { commandTopic, eventTopic, offloadTopic, resultTopic, statusTopic } from "../wire/topics.ts";
import { type Broker, startBroker } from "./broker.ts";

let folder: string;
let ca: Certificate;
let broker: Broker;
let worker: MqttClient;
const heard: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-guard-"));
  ca = await authority(folder, "authority");
  const { certificate: cert, key } = await signedBy(ca, folder, "broker", ["subjectAltName=IP:127.0.0.1"]);
  const names = { worker: ["w1"], operator: ["ada"], recorder: [] };
  broker = await startBroker({ tls: { ca: ca.certificate, cert, key }, names });
  worker = await connected("w1");
  worker.on("message", (topic, message) => heard.push(`${topic} ${message}`));
  await worker.subscribeAsync(offloadTopic("+"), { qos: 1 });
});
afterAll(async () => {
  await worker.endAsync(true);
  await broker.close();
  await rm(folder, { recursive: true });
});

async function connected(name: string, options: IClientOptions = {}, signer = ca): Promise<MqttClient> {
  const own = await signedBy(signer, await mkdtemp(join(folder, "own-")), name, ["extendedKeyUsage=clientAuth"]);
  const pair = { cert: await readFile(own.certificate), key: await readFile(own.key) };
  const base = { ca: await readFile(ca.certificate), reconnectPeriod: 0, protocolVersion: 4, clientId: name } as const;
  const client = connect(broker.url, { ...base, ...pair, ...options });
  // Who is not wanted gets an error, or just loses the connection.
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.on("error", reject).once("close", () => reject(new Error("The connection was closed.")));
  });
  return client;
}

/** Whether the broker ends the connection of who says that. */
async function isThrownOut(client: MqttClient, topic: string): Promise<boolean> {
  const closed = emitted(client, "close").then(() => true);
  // It acknowledges what it took, and answers nothing to what it did not.
  const taken = client.publishAsync(topic, "x", { qos: 1 }).then(() => false);
  taken.catch(() => undefined);
  const result = await Promise.race([closed, taken]);
  await client.endAsync(true);
  return result;
}

it("lets a device say and hear what is its own, and a worker and an operator what is theirs", async () => {
  const [device, operator] = [await connected("porch"), await connected("ada")];
  const got: string[] = [];
  device.on("message", (topic) => got.push(topic));
  await device.subscribeAsync([resultTopic("porch"), commandTopic("porch")], { qos: 1 });
  for (const topic of [offloadTopic, eventTopic, statusTopic]) {
    await device.publishAsync(topic("porch"), "mine", { qos: 1 });
  }
  while (heard.length < 1) await emitted(worker, "message");
  expect(heard).toEqual([`${offloadTopic("porch")} mine`]);
  await worker.publishAsync(resultTopic("porch"), "answer", { qos: 1 });
  await operator.publishAsync(commandTopic("porch"), "command", { qos: 1 });
  while (got.length < 2) await emitted(device, "message");
  expect(got).toEqual([resultTopic("porch"), commandTopic("porch")]);
  await Promise.all([device.endAsync(true), operator.endAsync(true)]);
});

it.each([
  "#",
  "+/+/+/+",
  offloadTopic("+"),
  resultTopic("+"),
  resultTopic("porch"),
  "$SYS/#",
  `$share/workers/${offloadTopic("+")}`,
])("refuses a device the subscription to %s", async (filter) => {
  const device = await connected("cellar");
  await expect(device.subscribeAsync(filter, { qos: 1 })).rejects.toThrow();
  expect(device.connected).toBe(true);
  await device.endAsync(true);
});

it.each([offloadTopic("porch"), resultTopic("cellar"), commandTopic("cellar"), "hedge/v1/dead", "elsewhere", "$SYS/x"])(
  "ends the connection of a device that publishes to %s",
  async (topic) => {
    expect(await isThrownOut(await connected("cellar"), topic)).toBe(true);
    expect(worker.connected).toBe(true);
  },
);

it("knows nobody by another name than the one in the certificate, and takes no last will of another's", async () => {
  await expect(connected("cellar", { clientId: "w1" })).rejects.toThrow("Identifier rejected");
  const will = { topic: statusTopic("w1"), payload: Buffer.from("offline"), qos: 1, retain: true } as const;
  await expect(connected("cellar", { will })).rejects.toThrow();
  const stranger = await authority(await mkdtemp(join(folder, "stranger-")), "stranger");
  await expect(connected("porch", {}, stranger)).rejects.toThrow();
  await expect(connected("porch", { cert: undefined, key: undefined })).rejects.toThrow();
  expect(worker.connected).toBe(true);
});

it("ends a connection at the head of a packet that is too large, and has room for so many", async () => {
  const open = await startBroker({ maxConnections: 1 });
  const socket = connectTcp(open.port, "127.0.0.1");
  const closed = once(socket, "close");
  // CONNECT of a client "a", then the head of a PUBLISH of 256 MB.
  socket.write(Buffer.from([0x10, 13, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 0, 0, 1, 97]));
  await once(socket, "data");
  const second = connectTcp(open.port, "127.0.0.1");
  await once(second, "close");
  expect(open.counts().clients).toBe(1);
  socket.write(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f]));
  await closed;
  await open.close();
});

it("gives rights to nobody whom it cannot know", async () => {
  const names = { worker: ["w1"], operator: [], recorder: [] };
  await expect(startBroker({ names })).rejects.toMatchObject({
    kind: "usage",
    message: "Rights are given, but nobody has a name.",
  });
  await expect(startBroker({ tls: { ca: ca.certificate } })).rejects.toMatchObject({ kind: "usage" });
  const { certificate: cert, key } = await signedBy(ca, folder, "another", []);
  const all = startBroker({ tls: { ca: ca.certificate, cert, key }, names: { ...names, operator: ["+"] } });
  await expect(all).rejects.toMatchObject({ kind: "usage", message: '"+" cannot name a client.' });
});
