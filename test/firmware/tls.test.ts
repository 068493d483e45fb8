/**
 * TLS against mosquitto: on an emulated board, whom it connects to, and whom it refuses, with the reason on its log; on this machine under
 * sanitizers, names, load, and what is garbled on the way.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBoard } from "../../src/boards/boards.ts";
import { Emulator } from "../../src/boards/emulator.ts";
import { type EmulatedBoard, requireEmulated } from "../../src/boards/flash-file.ts";
import { startMosquitto } from "../../src/explore/mosquitto.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { authority, type Certificate, signedBy } from "../support/certificates.ts";
import { runProgram } from "../support/firmware.ts";
import { netPrograms } from "../support/net-programs.ts";

const BOARD = "mps2-an386";
/** The host as the board calls it. */
const BROKER = "subjectAltName=IP:10.0.2.2";
const CONNECTED = /^net: connected to 10\.0\.2\.2$/;

let folder: string;
let board: EmulatedBoard;
let ca: Certificate;
let other: Certificate;
let server: Certificate;
let client: Certificate;

beforeAll(async () => {
  await buildBoards([BOARD], "tls");
  board = requireEmulated(await findBoard(BOARD));
  folder = await mkdtemp(join(tmpdir(), "hedge-tls-"));
  ca = await authority(folder, "authority");
  other = await authority(folder, "other");
  server = await signedBy(ca, folder, "server", [BROKER]);
  client = await signedBy(ca, folder, "dev-1", ["extendedKeyUsage=clientAuth"]);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Scene {
  /** The broker's certificate, with those behind it; default: one that is right. */
  readonly of?: Certificate;
  /** Whether the broker wants a certificate of the device, and the one that it has. */
  readonly demands?: boolean;
  readonly own?: Certificate;
  /** Whom the device trusts. */
  readonly trusts?: Certificate;
}

const brokerOf = (of: Certificate, demands = false, port?: number) =>
  startMosquitto(port, [
    `cafile ${ca.certificate}`,
    `certfile ${of.certificate}`,
    `keyfile ${of.key}`,
    `require_certificate ${demands}`,
    "user root", // for the keys are this process's own
  ]);

/** A board and a broker; what `body` returns once both are up. */
async function scene<T>(
  { of = server, demands, own, trusts = ca }: Scene,
  body: (emulator: Emulator, broker: { port: number; close(): Promise<void> }) => Promise<T>,
): Promise<T> {
  const broker = await brokerOf(of, demands);
  const state = await mkdtemp(join(folder, "board-"));
  const mine = await own?.der();
  const device = {
    transport: "mqtt",
    broker: `mqtts://127.0.0.1:${broker.port}`,
    ca: (await trusts.der()).certificate,
    ...mine,
  } as const;
  const emulator = await Emulator.start(board, { folder: state, id: "dev-1", variant: "tls", device });
  try {
    return await body(emulator, broker);
  } finally {
    await emulator.stop();
    await broker.close();
  }
}

/** What the log says when the first attempt is over. */
const firstWords = (what: Scene) =>
  scene(what, async ({ log }) => {
    await log.until(/^net: (connected|.*next try)/);
    return log.lines.filter((line) => /^(net: connected|tls:)/.test(line));
  });

describe("a board with TLS", () => {
  it("connects to a broker whose certificate is right", async () => {
    expect(await firstWords({})).toEqual(["net: connected to 10.0.2.2"]);
  });

  it("shows its own certificate to a broker that demands one, through an intermediate authority", async () => {
    const usage = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
    const middle = await signedBy(ca, folder, "intermediate", usage);
    const chained = await (await signedBy(middle, folder, "chained", [BROKER])).with(middle);
    expect(await firstWords({ of: chained, demands: true, own: client })).toEqual(["net: connected to 10.0.2.2"]);
  });

  it("is refused without its own certificate by a broker that demands one", async () => {
    expect(await firstWords({ demands: true })).toEqual([
      expect.stringMatching(/^tls: the broker ends the connection by alert \d+$/),
    ]);
  });

  it("refuses a broker of another authority", async () => {
    expect(await firstWords({ trusts: other })).toEqual([
      "tls: the broker's certificate is not signed by the trusted authority",
    ]);
  });

  it.each([
    ["another address", "subjectAltName=IP:10.0.2.3"],
    ["its address as a name", "subjectAltName=DNS:10.0.2.2"],
    ["a name", "subjectAltName=DNS:broker.example"],
    ["no name", "basicConstraints=CA:FALSE"],
  ])("refuses a broker with a certificate for %s", async (what, extension) => {
    const of = await signedBy(ca, folder, what.replaceAll(" ", "-"), [extension]);
    expect(await firstWords({ of })).toEqual(["tls: the broker's certificate is not for 10.0.2.2"]);
  });

  it("refuses a broker whose certificate has expired", async () => {
    const of = await signedBy(ca, folder, "expired", [BROKER], -1);
    expect(await firstWords({ of })).toEqual(["tls: the broker's certificate, or its authority's, has expired"]);
  });

  it("refuses a broker that shows a device's certificate", async () => {
    const of = await signedBy(ca, folder, "impostor", [BROKER, "extendedKeyUsage=clientAuth"]);
    expect(await firstWords({ of })).toEqual(["tls: the broker's certificate is not for servers"]);
  });

  it("comes back when the broker was killed, and when the cable was out meanwhile", async () => {
    await scene({ demands: true, own: client }, async (emulator, broker) => {
      const { log } = emulator;
      await log.until(CONNECTED);
      const from = log.lines.length;
      await broker.close();
      await log.until(/^net: connection lost/, from);
      let again = await brokerOf(server, true, broker.port);
      await log.until(CONNECTED, from);

      const unplugged = log.lines.length;
      await emulator.linkDown();
      await log.until(/^net: link down$/, unplugged);
      await again.close();
      again = await brokerOf(server, true, broker.port);
      await emulator.linkUp();
      await log.until(CONNECTED, unplugged);
      await again.close();
    });
  });

  it("says goodbye before it restarts, so that its last will is not published", async () => {
    await scene({}, async (emulator, broker) => {
      await emulator.log.until(CONNECTED);
      const observer = await connectAsync(`mqtts://127.0.0.1:${broker.port}`, { rejectUnauthorized: false });
      const heard: string[] = [];
      const twice = new Promise<void>((resolve) => {
        observer.on("message", (_, word) => {
          heard.push(String(word));
          if (heard.filter((each) => each === "online").length === 2) resolve();
        });
      });
      await observer.subscribeAsync("hedge/v1/dev-1/status", { qos: 1 });
      const device = await RemoteDevice.overLink(emulator.uart);
      await device.restart();
      await twice;
      await device.close();
      await observer.endAsync();
      expect(heard).toEqual(["online", "offline", "online"]);
    });
  });
});

describe("TLS on this machine", () => {
  const NAME = "broker.test";
  let program: string;
  let trusted: string;

  beforeAll(async () => {
    program = join(await netPrograms("net-tls", ["TLS=1"]), "tls-test");
    trusted = join(folder, "trusted.der");
    await writeFile(trusted, (await ca.der()).certificate);
  });

  /** Runs the program against a broker with this certificate, and somebody who sends frames back. */
  async function run(of: Certificate, ...task: readonly string[]): Promise<string[]> {
    const broker = await brokerOf(of);
    const echo = await connectAsync(`mqtts://127.0.0.1:${broker.port}`, {
      rejectUnauthorized: false, // it is not the one under test
    });
    echo.on("message", (_, frame) => echo.publish("hedge/v1/dev-1/command", frame, { qos: 1 }));
    await echo.subscribeAsync("hedge/v1/dev-1/event", { qos: 1 });
    try {
      return await runProgram(program, [String(broker.port), NAME, trusted, ...task]);
    } finally {
      await echo.endAsync();
      await broker.close();
    }
  }

  it("connects to a broker by its name, and passes frames of all sizes both ways", async () => {
    const of = await signedBy(ca, folder, "named", [`subjectAltName=DNS:${NAME}`]);
    const lines = await run(of, "echo", "200");
    expect(lines).toEqual(["net: link up", `net: connected to ${NAME}`, "ok 200 frames there and back"]);
  });

  it.each(["DNS:other.test", "DNS:broker.test.example", "IP:10.0.2.15"])("refuses one that is %s", async (name) => {
    const of = await signedBy(ca, folder, name.replace(":", "-"), [`subjectAltName=${name}`]);
    await expect(run(of, "echo", "0")).rejects.toThrow(`tls: the broker's certificate is not for ${NAME}`);
  });

  it("outlives connections on which something is garbled", async () => {
    const of = await signedBy(ca, folder, "garbled", [`subjectAltName=DNS:${NAME}`]);
    expect(await run(of, "garble", "0", "25")).toEqual(["ok 25 garbled connections"]);
  });
});
