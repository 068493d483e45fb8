/**
 * A board when what lies between it and its worker fails: the broker, its Ethernet, the worker, the gateway, the board itself. It holds what it must,
 * recovers by itself, and its counts add up.
 */
import type { ChildProcess } from "node:child_process";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ExpectedRun, expectRun } from "../../src/explore/firmware/expected.ts";
import { type Fault, type Recovery, survive, unaccounted, WAITING } from "../../src/explore/firmware/faults.ts";
import { Field, type FieldOptions } from "../../src/explore/firmware/field.ts";
import { bytesOf } from "../../src/explore/firmware/identity.ts";
import { OffloadTap } from "../../src/explore/firmware/offload-tap.ts";
import { Link } from "../../src/link/link.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { type Answer, decodeAnswer, encodeCommand } from "../../src/wire/device-frames.ts";
import { FRAME_TYPES } from "../../src/wire/fields.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { buildCli, cutOff, startCli } from "../support/built.ts";
import { tinyHybrid, unsureSample } from "../support/tiny-cloud.ts";

const BOARD = "mps2-an386";

let run: ExpectedRun;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  buildCli();
  await buildBoards([BOARD, "riscv-virt"]);
  const samples = Array.from({ length: WAITING }, (_, i) => unsureSample(i));
  run = await expectRun(await tinyHybrid(), samples, 0);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: Partial<FieldOptions> = {}): Promise<Field> {
  const { bundle } = run;
  const config = { deadlineMs: 50_000, retryLongestMs: 1_000 };
  const field = await Field.open({ board: BOARD, transport: "mqtt", operator: "uart", bundle, config, ...options });
  cleanups.push(() => field.close());
  return field;
}

/** Every sample was answered by the cloud, as it should be. */
function expectRecovered({ flaws, counts }: Recovery, more: Partial<Recovery["counts"]> = {}): void {
  expect(flaws).toEqual([]);
  expect(counts).toMatchObject({
    samples: WAITING,
    exited: 0,
    offloaded: WAITING,
    answered: WAITING,
    unconfirmed: 0,
    ...more,
  });
  expect(unaccounted(counts)).toBe(0);
}

describe("samples that come while it is gone are answered behind", () => {
  it("the broker, killed and started again", async () => {
    const field = await open();
    expectRecovered(await survive(field.lab, run, field.brokerGone), { reconnects: 1 });
  });

  it("the Ethernet", async () => {
    const field = await open();
    // The connection to the broker outlives a short while without it.
    expectRecovered(await survive(field.lab, run, field.linkDown));
  });

  it("the worker", async () => {
    const field = await open();
    expectRecovered(await survive(field.lab, run, field.workerGone), { reconnects: 0 });
  });
});

describe("over a UART", () => {
  /** As a process: the field's gateways are, and end without a word. */
  async function startGateway({ lab, broker }: Field): Promise<ChildProcess> {
    const { child } = await startCli(["gateway", lab.emulator.uart, "--broker", broker, "--json"]);
    cleanups.push(() => cutOff(child));
    return child;
  }

  it("samples that come while the gateway is gone are answered behind", async () => {
    const field = await open({ board: "riscv-virt", transport: "uart", gateway: false });
    const first = await startGateway(field);
    const fault: Fault = { strike: () => cutOff(first), mend: () => startGateway(field) };
    expectRecovered(await survive(field.lab, run, fault));
  });
});

it("falls back to the exit's answers at the deadline while the worker is absent, and to none once it is there", async () => {
  const field = await open({ config: { deadlineMs: 1_000 } });
  const { lab } = field;
  await field.stopWorker();
  await lab.device.setThreshold(0);
  const [sample] = run.samples;
  const alone = await lab.device.sample(bytesOf(sample!.image));
  expect(alone).toMatchObject({ source: "fallback", label: sample!.edge.label, check: sample!.check });
  expect(alone.attempts).toBeGreaterThan(0);
  await field.startWorker();
  // On a busy machine it may be late once more.
  let answer = alone;
  while (answer.source !== "cloud") answer = await lab.device.sample(bytesOf(sample!.image));
  expect(answer).toMatchObject({ label: sample!.label, check: sample!.check });
  const { counts } = await lab.device.describe();
  expect(counts.answered).toBe(1);
  expect(unaccounted(counts)).toBe(0);
});

it("works on in a new session behind a reset among samples that wait", async () => {
  const field = await open();
  const { lab } = field;
  const tap = await OffloadTap.open(field.broker, lab.id);
  cleanups.push(() => tap.close());
  await field.stopWorker();
  await lab.device.setThreshold(0);
  const lost = lab.device.sample(bytesOf(run.samples[0]!.image));
  lost.catch(() => undefined);
  await tap.until(1);
  const lines = lab.log.lines.length;
  await lab.emulator.reset();
  await lab.log.until(/^started \(event 100, number 1/, lines);
  await field.startWorker();
  await lab.device.setThreshold(0);
  expect(await lab.device.sample(bytesOf(run.samples[1]!.image))).toMatchObject({
    source: "cloud",
    label: run.samples[1]!.label,
  });
  const { counts } = await lab.device.describe();
  // Counts are of one life; the first one's sample went with it, and nobody answers it twice.
  expect(counts).toMatchObject({ samples: 1, answered: 1, unconfirmed: 0, duplicates: 0 });
  expect(new Set(tap.frames.map(({ session }) => session)).size).toBe(2);
});

it("says that it has no room, and loses count of nothing, when samples come faster than they go", async () => {
  const field = await open();
  const { lab } = field;
  await lab.device.setThreshold(0);
  await field.stopWorker();
  const answers: Answer[] = [];
  const asked = 2 * WAITING;
  const link = new Link({
    address: lab.emulator.uart,
    onFrame: (type, frame) => type === FRAME_TYPES.answer && answers.push(decodeAnswer(frame)),
  });
  cleanups.push(async () => link.close());
  await lab.device.describe();
  const image = bytesOf(run.samples[0]!.image);
  for (let request = 1; request <= asked; request++) {
    const sample = { request, operation: "sample", number: 0, check: 0, data: image } as const;
    link.send(FRAME_TYPES.command, encodeCommand(sample));
  }
  await lab.log.until(/the queue is full/);
  await field.startWorker();
  while (answers.length < asked) await lab.device.describe();
  const refused = answers.filter(({ source }) => source === "notTaken").length;
  expect(refused).toBeGreaterThan(0);
  expect(answers.filter(({ source }) => source === "cloud")).toHaveLength(asked - refused);
  const { counts } = await lab.device.describe();
  expect(counts).toMatchObject({ samples: asked - refused, answered: asked - refused, unconfirmed: 0 });
});

it("is offline at the broker as soon as its power is cut, and online again when it is back", async () => {
  const field = await open();
  const { lab } = field;
  const statuses: boolean[] = [];
  let heard = () => {};
  const onStatus = (online: boolean) => {
    statuses.push(online);
    heard();
  };
  const operator = await RemoteDevice.overMqtt({ broker: field.broker }, lab.id, { onStatus });
  cleanups.push(() => operator.close());
  const until = async (...expected: boolean[]) => {
    while (statuses.length < expected.length)
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    expect(statuses).toEqual(expected);
  };
  await until(true);
  await lab.device.restart();
  // It says goodbye itself, and comes back.
  await until(true, false, true);
  await lab.emulator.stop();
  await until(true, false, true, false);
});
