/** Connections to brokers with TLS and without: who is let in, what is said to whom not, and which MQTT is spoken. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BROKERS, startMosquitto, type TestBroker } from "../../test/support/brokers.ts";
import { authority, type Certificate, signedBy } from "../../test/support/certificates.ts";
import { emitted } from "../../test/support/emitted.ts";
import { HedgeError } from "../errors.ts";
import { certificateName, shownBroker, type TlsFiles } from "./broker-access.ts";
import { closeConnection, openConnection, versionOf } from "./connection.ts";
import { untilDeadline } from "./expiry.ts";

const nothing = () => undefined;
let folder: string;
let ca: Certificate;
let own: Certificate;
let secured: TestBroker;
let url: string;

const filesOf = (pair: Certificate): TlsFiles => ({ ca: ca.certificate, cert: pair.certificate, key: pair.key });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-connection-"));
  ca = await authority(folder, "authority");
  own = await signedBy(ca, folder, "porch", ["extendedKeyUsage=clientAuth"]);
  const server = await signedBy(ca, folder, "broker", ["subjectAltName=IP:127.0.0.1"]);
  secured = await startMosquitto(undefined, [
    `cafile ${ca.certificate}`,
    `certfile ${server.certificate}`,
    `keyfile ${server.key}`,
    "require_certificate true",
    "user root", // for the keys are this process's own
  ]);
  url = secured.url.replace("mqtt:", "mqtts:");
});
afterAll(async () => {
  await secured.close();
  await rm(folder, { recursive: true });
});

const open = (broker: string, tls?: TlsFiles, more: object = {}): Promise<MqttClient> =>
  openConnection({ broker, tls, name: "porch", prepare: nothing, ...more });

async function refusal(broker: string, tls?: TlsFiles): Promise<HedgeError> {
  const error = await open(broker, tls).then(
    (client) => client.endAsync(true),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(HedgeError);
  return error as HedgeError;
}

describe("a connection with TLS", () => {
  it("is made with the files that name the authority, the certificate and its key", async () => {
    const client = await open(url, filesOf(own));
    expect([client.connected, versionOf(client)]).toEqual([true, 5]);
    expect(await certificateName(filesOf(own))).toBe("porch");
    await client.endAsync();
  });

  it("says what it lacks: the authority, a certificate, one that the broker takes", async () => {
    const strange = await signedBy(await authority(folder, "stranger"), folder, "strange", []);
    const old = await signedBy(ca, folder, "old", [], -1);
    const cases: [TlsFiles | undefined, RegExp, RegExp][] = [
      [undefined, /shows a certificate that is not trusted/, /--tls-ca/],
      [{ ca: strange.certificate }, /shows a certificate that is not trusted/, /--tls-ca/],
      [{ ca: ca.certificate }, /asks for a certificate|ends the connection/, /--tls-cert and --tls-key/],
      [filesOf(strange), /does not take the certificate .*strange\.crt|ends the connection/, /--tls-cert/],
      [filesOf(old), /does not take the certificate .*old\.crt|ends the connection/, /--tls-cert/],
    ];
    for (const [tls, sentence, remedy] of cases) {
      const error = await refusal(url, tls);
      expect(error).toMatchObject({ kind: "network", remedy: expect.stringMatching(remedy) });
      expect(error.message).toMatch(sentence);
    }
  });

  it("names the file that is not what it should be, before it connects anywhere", async () => {
    const junk = join(folder, "junk.pem");
    await writeFile(junk, "junk");
    const other = await signedBy(ca, folder, "other", []);
    const pair = { cert: own.certificate, key: own.key };
    const cases: [TlsFiles, string, string][] = [
      [{ ca: junk }, "input", `${junk} holds no certificate.`],
      [{ ...pair, key: junk }, "input", `${junk} holds no private key without a passphrase.`],
      [{ ...pair, cert: join(folder, "none.pem") }, "input", `${join(folder, "none.pem")} does not exist.`],
      [{ ...pair, key: other.key }, "input", `${other.key} is not the key of ${own.certificate}.`],
      [{ cert: own.certificate }, "usage", "A certificate is given without its key."],
      [{ key: own.key }, "usage", "A key is given without its certificate."],
    ];
    for (const [tls, kind, message] of cases) expect(await refusal(url, tls)).toMatchObject({ kind, message });
    const plain = await refusal(secured.url, { ca: ca.certificate });
    expect(plain).toMatchObject({ kind: "usage", message: expect.stringContaining("is reached without TLS") });
  });
});

it("a password is in no sentence", async () => {
  for (const broker of [
    "mqtt://ada:s3cret@127.0.0.1:1",
    "here://ada:s3cret@x",
    "mqtt://:s3cret@127.0.0.1:1",
    "ada:s3cret@x",
  ]) {
    const { message, remedy } = await refusal(broker);
    expect(message + remedy).not.toContain("s3cret");
  }
  expect(shownBroker("mqtts://ada:p@ss:word@host:8883")).toBe("mqtts://ada@host:8883");
  expect(shownBroker("mqtt://host:1883")).toBe("mqtt://host:1883");
  // Users may be named by their mail.
  expect(shownBroker("mqtt://ada@home.example:word@host:8883")).toBe("mqtt://ada@home.example@host:8883");
  expect(shownBroker("mqtt://home/ada:word@host")).toBe("mqtt://home/ada@host");
  expect(shownBroker("mqtt://ada://word@host")).toBe("mqtt://ada@host");
  expect(shownBroker("mqtt://ada@host:1883")).toBe("mqtt://ada@host:1883");
});

it("ends soon though the broker says nothing more", async () => {
  const broker = await startMosquitto();
  const client = await open(broker.url);
  process.kill(broker.pid, "SIGSTOP");
  client.publish("t", "never acknowledged", { qos: 1 });
  await closeConnection(client, "porch");
  process.kill(broker.pid, "SIGCONT");
  await broker.close();
  // mqtt.js alone gives the connection up after 45 s.
}, 30_000);

describe("the version of MQTT", () => {
  it.each([
    ["mosquitto", 5],
    ["aedes", 4],
  ] as const)("is found out: with %s it is %i", async (kind, version) => {
    const broker = await BROKERS[kind]();
    // The second time it need not be tried.
    for (let i = 0; i < 2; i++) {
      const client = await open(broker.url);
      expect(versionOf(client)).toBe(version);
      await client.endAsync();
    }
    await broker.close();
  });

  it("decides whether a message says how long it is of use", async () => {
    const broker = await BROKERS.mosquitto();
    const [five, four] = [await open(broker.url), await open(broker.url, undefined, { name: "old", version: 4 })];
    const heard = emitted(five, "message");
    await five.subscribeAsync("t", { qos: 1 });
    await five.publishAsync("t", "x", untilDeadline(five, Date.now() + 60_000));
    const [, , packet] = (await heard) as [string, Buffer, { properties?: { messageExpiryInterval?: number } }];
    const seconds = packet.properties?.messageExpiryInterval;
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(untilDeadline(four, Date.now() + 60_000)).toEqual({ qos: 1 });
    // In whole seconds, at least one, at most what 32 bits hold.
    const expiries = [-5_000, 1, 1_001, 2 ** 53].map((left) => untilDeadline(five, left, 0).properties);
    expect(expiries.map((properties) => properties?.messageExpiryInterval)).toEqual([1, 1, 2, 2 ** 32 - 1]);
    await Promise.all([five.endAsync(), four.endAsync()]);
    await broker.close();
  });
});

describe("a broker that drops the first connection, as one does that is on its way up", () => {
  it("is spoken to in MQTT 5 all the same", async () => {
    const broker = await startMosquitto();
    let connections = 0;
    const door = createServer((near) => {
      if (connections++ === 0) {
        near.destroy();
        return;
      }
      const far = connect(broker.port, "127.0.0.1");
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) socket.on("error", nothing);
    }).listen(0, "127.0.0.1");
    await once(door, "listening");
    try {
      const client = await open(`mqtt://127.0.0.1:${(door.address() as AddressInfo).port}`);
      expect([versionOf(client), connections]).toEqual([5, 3]);
      await client.endAsync();
    } finally {
      door.close();
      await broker.close();
    }
  });
});
