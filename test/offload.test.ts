/**
 * The offload path against what happens in the field: workers that die, brokers that restart. The worker is a process of its own, started
 * by the command line and killed with SIGKILL.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Bundle } from "../src/bundle/bundle.ts";
import { writeBundle } from "../src/bundle/write.ts";
import { type Answer, DeviceClient } from "../src/device/client.ts";
import { openEngine } from "../src/engine/open.ts";
import { BROKERS } from "./support/brokers.ts";
import { buildCli, cutOff, startCli } from "./support/built.ts";
import { tinyCloudLabel, tinyHybrid, unsureSample } from "./support/tiny-cloud.ts";

const COUNT = 200;
const DEADLINE = 3_600_000;
const cleanups: (() => unknown)[] = [];
beforeAll(() => void buildCli());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function bundleFolder(): Promise<{ bundle: Bundle; folder: string }> {
  const parent = await mkdtemp(join(tmpdir(), "hedge-offload-"));
  cleanups.push(() => rm(parent, { recursive: true, force: true }));
  const bundle = await tinyHybrid();
  const folder = join(parent, "bundle");
  await writeBundle(folder, bundle);
  return { bundle, folder };
}

async function startWorkerProcess(folder: string, broker: string, args: readonly string[]): Promise<ChildProcess> {
  const { child } = await startCli([
    "worker",
    folder,
    "--broker",
    broker,
    "--processes",
    "1",
    "--quiet",
    "--quota",
    "0",
    ...args,
  ]);
  cleanups.push(() => cutOff(child));
  return child;
}

async function connectDevice(bundle: Bundle, broker: string): Promise<DeviceClient> {
  const device = await DeviceClient.connect({
    id: "d",
    broker,
    engine: openEngine(bundle, "wasm3"),
    digest: bundle.digest,
    deadline: DEADLINE,
    backoff: { first: 100, longest: 1000 },
  });
  cleanups.push(() => device.close());
  return device;
}

/** Feeds the samples through a device; `at` is called between two of them, while others wait for the cloud. */
async function feed(device: DeviceClient, at: Record<number, () => Promise<unknown>>): Promise<Answer[]> {
  const answers: Promise<Answer>[] = [];
  const events: Promise<unknown>[] = [];
  for (let i = 0; i < COUNT; i++) {
    const event = at[i]?.();
    if (event) events.push(event);
    answers.push((await device.submit(unsureSample(i))).answer);
  }
  await Promise.all(events);
  return Promise.all(answers);
}

describe.each([
  ["aedes", []],
  ["mosquitto", []],
  ["mosquitto", ["--mode", "shared"]],
] as const)("on %s %s", (kind, args) => {
  it(`answers all ${COUNT} samples when the worker is killed among them and started again`, async () => {
    const { bundle, folder } = await bundleFolder();
    const broker = await BROKERS[kind]();
    cleanups.push(() => broker.close());
    const first = await startWorkerProcess(folder, broker.url, args);
    const device = await connectDevice(bundle, broker.url);
    const killed: number[] = [];
    const answers = await feed(device, {
      50: async () => {
        await cutOff(first);
        killed.push(device.counts.answered);
        await startWorkerProcess(folder, broker.url, args);
      },
    });
    expect(killed[0]).toBeLessThan(COUNT);
    expect(answers.map(({ label }) => label)).toEqual(answers.map((_, i) => tinyCloudLabel(unsureSample(i))));
    expect(answers.every(({ confirmed }) => confirmed)).toBe(true);
    // Some were lost with the worker, and offered again.
    expect(device.counts.offered).toBeGreaterThan(COUNT);
    expect(device.counts).toMatchObject({
      samples: COUNT,
      offloaded: COUNT,
      answered: COUNT,
      unconfirmed: 0,
      invalid: 0,
    });
  });
});

describe.each(["aedes", "mosquitto"] as const)("on %s", (kind) => {
  it(`answers all ${COUNT} samples when the broker restarts among them`, async () => {
    const { bundle, folder } = await bundleFolder();
    let broker = await BROKERS[kind]();
    cleanups.push(() => broker.close());
    await startWorkerProcess(folder, broker.url, []);
    const device = await connectDevice(bundle, broker.url);
    const answers = await feed(device, {
      100: async () => {
        await broker.close();
        broker = await BROKERS[kind](broker.port);
      },
    });
    expect(answers.map(({ label }) => label)).toEqual(answers.map((_, i) => tinyCloudLabel(unsureSample(i))));
    expect(device.counts).toMatchObject({ samples: COUNT, answered: COUNT, unconfirmed: 0 });
  });
});
