/** New models on an emulated board, operated over MQTT: one that is confirmed, those that are given up, and those that are refused. */
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Bundle } from "../../src/bundle/bundle.ts";
import { compileFile } from "../../src/bundle/compile.ts";
import { type CloudWorker, startWorker } from "../../src/cloud/worker.ts";
import { expectRun } from "../../src/explore/firmware/expected.ts";
import { compareRun } from "../../src/explore/firmware/identity.ts";
import { FIRST_COUNTER, type Lab, type LabOptions, openLab } from "../../src/explore/firmware/lab.ts";
import { readStripSamples } from "../../src/explore/strip.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey, type SigningKey } from "../../src/slot/keys.ts";
import { EVENT_CODES, type EventName } from "../../src/wire/device-frames.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { startMosquitto, type TestBroker } from "../support/brokers.ts";
import { assemble, tinyBundle } from "../support/tiny-bundle.ts";
import { tinyHybrid } from "../support/tiny-cloud.ts";

const BOARD = "mps2-an386";
const NEXT_COUNTER = FIRST_COUNTER + 1;
/** A step that never ends. */
const HANG = "(loop $forever (br $forever)) (i32.const 1)";
let broker: TestBroker;
let first: Bundle;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  await buildBoards([BOARD, "riscv-virt"]);
  broker = await startMosquitto();
  first = await tinyHybrid();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => broker?.close());

async function lab(options: Partial<LabOptions> = {}): Promise<Lab> {
  const opened = await openLab({ board: BOARD, transport: "mqtt", bundle: first, broker: broker.url, ...options });
  cleanups.push(() => opened.close());
  return opened;
}

/** The tiny model with another step. */
const withStep = (body: string): Promise<Bundle> =>
  tinyBundle({
    edgeWasm: assemble(`(module
      (import "hedge" "load_weights" (func $load_weights (param i32 i32 i32)))
      (memory (export "memory") 1 1)
      (func (export "step") (param $index i32) (result i32) ${body}))`),
  });

/** Brings a model onto the board and has it tried. @returns how many events there were before */
async function install({ device, events, signer }: Lab, bundle: Bundle): Promise<number> {
  await device.update(createImage(bundle, signer, NEXT_COUNTER).bytes);
  const before = events.events.length;
  await device.install();
  return before;
}

/** The model that a board started with runs again, and is as good as before. */
async function expectFirst({ device }: Lab, resetCause: string): Promise<void> {
  expect(await device.describe()).toMatchObject({
    model: { digest: first.digest, counter: FIRST_COUNTER, slot: 0, trial: false },
    resetCause,
  });
  // Its fourth pixel is small: the tiny model is sure.
  expect(await device.sample(Uint8Array.of(1, 2, 3, 0))).toMatchObject({ source: "edge", label: 0 });
}

describe("a model on trial", () => {
  it("answers as on the host once it is confirmed, also behind a reset", async () => {
    const log = pino({ level: "silent" });
    const { bundle } = await compileFile("models/resnet20-12e6c-2bit/model.onnx", { kernels: "native" });
    const { images } = await readStripSamples("models/cifar10-test-500", bundle.manifest, 2);
    const worker: CloudWorker = await startWorker({
      broker: broker.url,
      bundles: [bundle],
      name: "w",
      processes: 1,
      log,
    });
    cleanups.push(() => worker.stop());
    const board = await lab();
    const { device, events, emulator } = board;

    const before = await install(board, bundle);
    expect(await events.until("started", before)).toMatchObject({ number: 2 });
    expect(await device.describe()).toMatchObject({ model: { counter: NEXT_COUNTER, slot: 1, trial: true } });
    await device.confirm();
    expect(await compareRun(board, broker.url, await expectRun(bundle, images), () => undefined)).toEqual([]);

    const beforeReset = events.events.length;
    await emulator.reset();
    expect(await events.until("started", beforeReset)).toMatchObject({ number: 1 });
    expect(await device.describe()).toMatchObject({ model: { digest: bundle.digest, slot: 1, trial: false } });
  });

  it.each([
    ["traps", "unreachable", "slotTrapped", "software"],
    ["takes more steps than it says", "(i32.const 0)", "slotTrapped", "software"],
    ["hangs", HANG, undefined, "watchdog"],
  ] as const)("that %s is given up within one reset", async (_, step, reason, resetCause) => {
    await expectGivenUp(await lab(), await withStep(step), reason, resetCause);
  });

  it("that hangs is given up over a UART, too, where a timer's interrupt is the watchdog", async () => {
    const board = await lab({ board: "riscv-virt", transport: "uart" });
    await expectGivenUp(board, await withStep(HANG), undefined, "watchdog");
  });

  it("that nobody confirms is given up", async () => {
    const board = await lab({ config: { confirmMs: 1_500 } });
    await expectGivenUp(board, await withStep("(i32.const 1)"), "rejected", "software");
  });
});

/**
 * The board says so, and before it the reason, unless it was hanging; it started twice: for the trial, and with its first model again.
 */
async function expectGivenUp(
  board: Lab,
  bundle: Bundle,
  reason: EventName | undefined,
  resetCause: string,
): Promise<void> {
  const lines = board.log.lines.length;
  const before = await install(board, bundle);
  const { events } = board;
  expect(await events.until("reverted", before)).toMatchObject({ request: 0, number: NEXT_COUNTER });
  const reasons = events.events.slice(before).filter(({ code }) => code !== 0 && code < EVENT_CODES.started);
  expect(reasons).toMatchObject(reason ? [{ code: EVENT_CODES[reason], request: 0, number: NEXT_COUNTER }] : []);
  await board.log.until(/^started \(event 100, number 1/, lines);
  await expectFirst(board, resetCause);
  expect(board.log.lines.slice(lines).filter((line) => line.includes(", firmware "))).toHaveLength(2);
}

describe("a model is refused", () => {
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const cases: [what: string, image: (signer: SigningKey) => Uint8Array, reason: string][] = [
    ["signed by somebody else", () => createImage(first, generateKey(), NEXT_COUNTER).bytes, "unknown key"],
    ["with an old counter", (signer) => createImage(first, signer, FIRST_COUNTER).bytes, "counter not above"],
    ["with a flipped bit in its header", (signer) => flipped(createImage(first, signer, 2).bytes, 20), "bad signature"],
    ["with a flipped bit behind it", (signer) => flipped(createImage(first, signer, 2).bytes, 300), "hash differs"],
    ["without its end", (signer) => createImage(first, signer, NEXT_COUNTER).bytes.subarray(0, 320), "out of order"],
  ];

  it("with the reason in the reply over MQTT and on the log, and the one before runs on", async () => {
    const board = await lab();
    for (const [what, image, reason] of cases) {
      const lines = board.log.lines.length;
      const refused = board.device.update(image(board.signer)).then(() => board.device.install());
      await expect(refused, what).rejects.toThrow(reason);
      await board.log.until(new RegExp(reason), lines);
      await expectFirst(board, "powerOn");
    }
  });
});
