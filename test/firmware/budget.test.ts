/** What the firmware takes of flash and RAM with the shipped model, on emulated boards at work over Ethernet; in 64 KB of RAM, too. */
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { firmwarePath } from "../../src/boards/emulator.ts";
import { compileFile } from "../../src/bundle/compile.ts";
import { type CloudWorker, startWorker } from "../../src/cloud/worker.ts";
import { type ExpectedRun, expectRun } from "../../src/explore/firmware/expected.ts";
import { compareRun } from "../../src/explore/firmware/identity.ts";
import { openLab } from "../../src/explore/firmware/lab.ts";
import { readStripSamples } from "../../src/explore/strip.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { startMosquitto, type TestBroker } from "../support/brokers.ts";

const KIB = 1024;
const FLASH = { plain: 112 * KIB, tls: 160 * KIB, small: 112 * KIB } as const;
/** Of statics, wasm3's arena among them, and the stack's deepest. */
const RAM = 80 * KIB;
const SMALL_RAM = 64 * KIB;

let run: ExpectedRun;
let broker: TestBroker;
let worker: CloudWorker;

beforeAll(async () => {
  const { bundle } = await compileFile("models/resnet20-12e6c-2bit/model.onnx");
  const { images } = await readStripSamples("models/cifar10-test-500", bundle.manifest, 2);
  run = await expectRun(bundle, images);
  broker = await startMosquitto();
  worker = await startWorker({
    broker: broker.url,
    bundles: [bundle],
    name: "w",
    processes: 1,
    log: pino({ level: "silent" }),
  });
});
afterAll(async () => {
  await worker?.stop();
  await broker?.close();
});

it.each(["plain", "tls", "small"] as const)("%s keeps to its flash", async (variant) => {
  await buildBoards(["mps2-an386"], variant);
  const image = join(dirname(firmwarePath("mps2-an386", variant)), "firmware.bin");
  expect((await stat(image)).size).toBeLessThanOrEqual(FLASH[variant]);
});

it.each([
  ["mps2-an386", "plain", RAM],
  ["mps2-an386", "small", SMALL_RAM],
  ["mps2-an385", "small", SMALL_RAM],
] as const)("%s, %s: answers as the host does, and keeps to its RAM", async (board, variant, budget) => {
  await buildBoards([board], variant);
  const lab = await openLab({ board, variant, bundle: run.bundle, transport: "mqtt", broker: broker.url });
  try {
    expect(await compareRun(lab, broker.url, run, () => undefined)).toEqual([]);
    const { staticBytes, stackPeak, stackBytes, ramBytes } = (await lab.device.describe()).memory;
    expect(stackPeak).toBeLessThan(stackBytes);
    expect(staticBytes + stackPeak).toBeLessThanOrEqual(budget);
    if (variant === "small") expect(ramBytes).toBe(SMALL_RAM);
  } finally {
    await lab.close();
  }
});
