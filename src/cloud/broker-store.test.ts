/** A broker that remembers: killed, it comes back with what waited; and no more waits than may. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { afterEach, beforeEach, expect, it } from "vitest";
import { cutOff, startCli } from "../../test/support/built.ts";
import { emitted } from "../../test/support/emitted.ts";
import { startBroker } from "./broker.ts";

let folder: string;
const cleanups: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-broker-"));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true });
});

async function client(url: string, options: IClientOptions = {}): Promise<MqttClient & { heard: string[] }> {
  const connecting = connect(url, { reconnectPeriod: 0, ...options });
  cleanups.push(() => connecting.endAsync(true));
  // What waited for it may come in one piece with the answer to CONNECT.
  const heard: string[] = [];
  connecting.on("message", (topic, message) => heard.push(`${topic} ${message}`));
  // A broker that is killed resets its connections.
  connecting.on("error", () => undefined);
  await emitted(connecting, "connect");
  return Object.assign(connecting, { heard });
}

const hears = async (who: MqttClient & { heard: string[] }, count: number) => {
  while (who.heard.length < count) await emitted(who, "message");
};

const AWAY: IClientOptions = { clientId: "away", clean: false };

async function startProcess(): Promise<{ url: string; kill(): Promise<void> }> {
  const { child, line } = await startCli(["broker", "--port", "0", "--data", folder, "--json"]);
  cleanups.push(() => cutOff(child));
  return { url: (JSON.parse(line) as { url: string }).url, kill: () => cutOff(child) };
}

it("keeps sessions, what waits for them, and retained messages when it is killed", async () => {
  const first = await startProcess();
  const away = await client(first.url, AWAY);
  await away.subscribeAsync("news/+", { qos: 1 });
  await away.endAsync();
  const [sender, witness] = [await client(first.url), await client(first.url)];
  await witness.subscribeAsync("news/+", { qos: 1 });
  for (const text of ["one", "two", "three"]) await sender.publishAsync("news/a", text, { qos: 1 });
  await sender.publishAsync("state", "on", { qos: 1, retain: true });
  await sender.publishAsync("news/b", "last", { qos: 1 });
  // What is delivered was stored before.
  await hears(witness, 4);
  await first.kill();

  const second = await startProcess();
  const late = await client(second.url);
  await late.subscribeAsync("state", { qos: 1 });
  await hears(late, 1);
  expect(late.heard).toEqual(["state on"]);
  const back = await client(second.url, AWAY);
  await hears(back, 4);
  expect(back.heard).toEqual(["news/a one", "news/a two", "news/a three", "news/b last"]);
  // Its subscription is still there.
  await late.publishAsync("news/c", "new", { qos: 1 });
  await hears(back, 5);
  expect(back.heard[4]).toBe("news/c new");
});

it("lets a thousand messages wait for a client, counts what it drops, and knows it after a restart", async () => {
  const first = await startBroker({ data: folder });
  const away = await client(first.url, AWAY);
  await away.subscribeAsync("news", { qos: 1 });
  await away.endAsync();
  const [sender, witness] = [await client(first.url), await client(first.url)];
  await witness.subscribeAsync("news", { qos: 1 });
  await Promise.all(Array.from({ length: 1_010 }, (_, i) => sender.publishAsync("news", String(i), { qos: 1 })));
  await hears(witness, 1_010);
  expect(first.counts()).toMatchObject({ queued: 1_000, dropped: 10 });
  await first.close();

  const second = await startBroker({ data: folder });
  cleanups.push(() => second.close());
  expect(second.counts()).toMatchObject({ queued: 1_000, dropped: 0 });
  const back = await client(second.url, AWAY);
  await hears(back, 1_000);
  while (second.counts().queued > 0) await back.publishAsync("elsewhere", "", { qos: 1 });
  expect(back.heard.at(-1)).toBe("news 999");
});

it("says so when another broker works in the folder", async () => {
  const first = await startBroker({ data: folder });
  cleanups.push(() => first.close());
  await expect(startBroker({ data: folder })).rejects.toMatchObject({
    kind: "input",
    message: `Another broker works in ${folder}.`,
  });
});
