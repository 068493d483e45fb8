/** `hedge gateway` and `hedge monitor` as users run them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { startMosquitto } from "../support/brokers.ts";
import { buildCli, runCli } from "../support/built.ts";
import { flashWith, startHostBoard } from "../support/host-device.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBoard(id: string): Promise<string> {
  const flash = await flashWith({ id, transport: "uart", signers: [] });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  return board.link;
}

/** Starts a command; `next` is its next line of output. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [buildCli(), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => child.kill("SIGKILL"));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async next(): Promise<string> {
      return (await lines.next()).value ?? "(it ended)";
    },
    /** Resolves to its exit code. */
    async end(signal: "SIGINT" | "SIGTERM"): Promise<number | null> {
      const ended = once(child, "exit");
      child.kill(signal);
      return (await ended)[0];
    },
  };
}

describe("hedge gateway", () => {
  it("says that it is ready, brings a device to the broker, and says what it did when it is stopped", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.close());
    const link = await startBoard("porch");
    const gateway = start(["gateway", link, "--broker", broker.url, "--json", "--quiet"]);
    expect(JSON.parse(await gateway.next())).toEqual({ ready: true, broker: broker.url, links: [link] });
    const device = await RemoteDevice.overMqtt({ broker: broker.url }, "porch");
    expect((await device.describe()).device).toBe("porch");
    await device.close();
    expect(await gateway.end("SIGTERM")).toBe(0);
    const counts = JSON.parse(await gateway.next()) as Record<string, number>;
    expect(counts).toMatchObject({ invalid: 0, dropped: 0 });
    expect(counts.up).toBeGreaterThanOrEqual(2);
    expect(counts.down).toBeGreaterThanOrEqual(2);
  });

  it.each([
    [["gateway", "nowhere"], 2, '"nowhere" is not the address of a link'],
    [["gateway", "tcp:127.0.0.1:1", "tcp:127.0.0.1:1"], 2, "is given twice"],
    [["gateway", "tcp:127.0.0.1:1", "--broker", "x"], 2, "not the address of an MQTT broker"],
    [["gateway", "tcp:127.0.0.1:1", "--broker", "mqtt://127.0.0.1:1"], 4, "No MQTT broker answers"],
    [["monitor"], 2, "No device is named"],
    [["monitor", "nowhere"], 2, '"nowhere" is not the address of a link'],
    [["monitor", "tcp:127.0.0.1:1", "--device", "porch"], 2, "named twice"],
    [["monitor", "--device", "a/b"], 2, '"a/b" cannot name a device'],
    [["monitor", "--board", "no-such-board"], 2, "No board runs"],
  ] as const)("hedge %j ends with %i", async (args, code, sentence) => {
    const ended = await runCli(args);
    expect(ended.stderr).toContain(sentence);
    expect(ended.code).toBe(code);
  });
});

describe("hedge monitor", () => {
  it("shows what a device says over its link, for people and as JSON", async () => {
    const link = await startBoard("porch");
    const people = start(["monitor", link]);
    expect(await people.next()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}line {9}open$/);
    // The first start of all: the event has waited for somebody to hear it.
    expect(await people.next()).toMatch(/ {2}event {8}started without a model \(code 100, number 0\)$/);
    expect(await people.end("SIGINT")).toBe(0);
    const scripts = start(["monitor", link, "--json"]);
    expect(JSON.parse(await scripts.next())).toEqual({ time: expect.stringMatching(/^\d{4}-.*Z$/), kind: "line" });
    expect(await scripts.end("SIGTERM")).toBe(0);
  });

  it("shows a device's status and events over MQTT", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.close());
    const link = await startBoard("porch");
    await start(["gateway", link, "--broker", broker.url, "--quiet"]).next();
    const device = await RemoteDevice.overMqtt({ broker: broker.url }, "porch");
    const monitor = start(["monitor", "--broker", broker.url, "--device", "porch", "--json"]);
    expect(JSON.parse(await monitor.next())).toMatchObject({ kind: "status", online: true });
    await device.setThreshold(1000);
    await device.close();
    expect(JSON.parse(await monitor.next())).toMatchObject({ kind: "event", code: 0 });
  });
});
