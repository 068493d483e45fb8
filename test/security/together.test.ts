/** Everybody at one mosquitto that hedge acl set up, each by TLS with a certificate of his own: worker, device, gateway, operator, monitor. */
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { writeAcl } from "../../src/acl/write.ts";
import { startWorker } from "../../src/cloud/worker.ts";
import { DeviceClient } from "../../src/device/client.ts";
import { openEngine } from "../../src/engine/open.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { encodeLinkFrame, LINK_CHANNELS, LinkDecoder } from "../../src/link/codec.ts";
import { type Entry, startMonitor } from "../../src/remote/monitor.ts";
import { mqttTransport } from "../../src/remote/transport.ts";
import { decodeCommand, encodeCommand } from "../../src/wire/device-frames.ts";
import { FRAME_TYPES } from "../../src/wire/fields.ts";
import { decodeResult, encodeOffload } from "../../src/wire/frames.ts";
import { freePort, startMosquitto } from "../support/brokers.ts";
import { authority, signedBy } from "../support/certificates.ts";
import { tinyCloudLabel, tinyHybrid, unsureSample } from "../support/tiny-cloud.ts";

const log = pino({ level: "silent" });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A device on a line: it says hello whenever the host speaks, offers `offload` once the broker is there, and keeps what it is sent. */
async function deviceOnALine(name: string, offload: Uint8Array) {
  const received = new Map<number, (frame: Uint8Array) => void>();
  const got = (type: number) => new Promise<Uint8Array>((resolve) => received.set(type, resolve));
  const frames = { result: got(FRAME_TYPES.result), command: got(FRAME_TYPES.command) };
  let isOffered = false;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    // Version 1; the link is its way to the broker.
    const hello = Buffer.from([1, 1, ...Buffer.from(name)]);
    const decoder = new LinkDecoder();
    socket.write(encodeLinkFrame(LINK_CHANNELS.hello, hello));
    socket.on("data", (bytes) => {
      for (const { channel, content } of decoder.push(bytes)) {
        if (channel !== LINK_CHANNELS.host) received.get(channel)?.(content);
        else {
          socket.write(encodeLinkFrame(LINK_CHANNELS.hello, hello));
          const hasBroker = (content[0]! & 1) === 1;
          if (hasBroker && !isOffered) socket.write(encodeLinkFrame(FRAME_TYPES.offload, offload));
          isOffered ||= hasBroker;
        }
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return { link: `tcp:127.0.0.1:${port}`, ...frames };
}

it("samples are finished, commands arrive, and everybody sees what is his", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hedge-together-"));
  cleanups.push(() => rm(folder, { recursive: true }));
  const ca = await authority(folder, "authority");
  const server = await signedBy(ca, folder, "broker", ["subjectAltName=IP:127.0.0.1"]);
  for (const name of ["w1", "ada", "porch", "shed", "gateway"]) await signedBy(ca, folder, name, []);
  const tlsOf = (name: string) => ({
    ca: ca.certificate,
    cert: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  });
  const port = await freePort();
  const written = await writeAcl({
    folder,
    names: { worker: ["w1"], operator: ["ada"], recorder: [] },
    broker: "mosquitto",
    port,
    host: "127.0.0.1",
    certificates: { ca: ca.certificate, cert: server.certificate, key: server.key },
  });
  // "user root", for the keys are this process's own.
  const settings = ["user root", ...(await readFile(written.settings, "utf8")).split("\n")];
  const mosquitto = await startMosquitto(undefined, [], settings);
  cleanups.push(() => mosquitto.close());
  const broker = `mqtts://127.0.0.1:${port}`;

  const bundle = await tinyHybrid();
  const group = (await readFile(written.group, "utf8")).trim();
  const worker = await startWorker({
    broker,
    tls: tlsOf("w1"),
    bundles: [bundle],
    name: "w1",
    group,
    processes: 1,
    log,
  });
  cleanups.push(() => worker.stop());
  expect(worker.mode).toBe("shared");

  const entries: Entry[] = [];
  const monitor = await startMonitor({ broker, tls: tlsOf("ada"), device: "porch" }, (entry) => entries.push(entry));
  cleanups.push(() => monitor.close());
  const engine = openEngine(bundle, "wasm3");
  const device = await DeviceClient.connect({
    ...{ id: "porch", broker, tls: tlsOf("porch"), engine, digest: bundle.digest },
    deadline: 3_600_000,
  });
  cleanups.push(() => device.close());
  for (let i = 0; i < 5; i++) {
    const answer = await device.classify(unsureSample(i));
    expect(answer).toMatchObject({ source: "cloud", label: tinyCloudLabel(unsureSample(i)) });
  }
  expect(entries).toContainEqual({ kind: "status", online: true });
  await monitor.close();

  const edge = openEngine(bundle, "v8");
  const { payload, label, entropy } = edge.classify(unsureSample(9));
  const sample = { model: bundle.digest, session: 1, sample: 1, deadline: Date.now() + 3_600_000, attempt: 1 };
  const offload = encodeOffload({ ...sample, label, entropy, payload: payload! });
  edge.close();
  const shed = await deviceOnALine("shed", offload);
  const gateway = await startGateway({ links: [shed.link], broker, tls: tlsOf("{device}"), log });
  cleanups.push(() => gateway.stop());
  expect(decodeResult(await shed.result)).toMatchObject({ state: "answered", label: tinyCloudLabel(unsureSample(9)) });

  const operator = await mqttTransport({ broker, tls: tlsOf("ada") }, "shed", { onFrame: () => undefined });
  cleanups.push(() => operator.close());
  const command = { request: 7, operation: "describe", number: 0, check: 0, data: new Uint8Array() } as const;
  operator.send(encodeCommand(command));
  expect(decodeCommand(await shed.command)).toMatchObject({ request: 7, operation: "describe" });
});
