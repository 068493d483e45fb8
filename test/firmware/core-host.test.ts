/** The firmware as a process, under ASan and UBSan: the shipped model installed, confirmed, and held to wasm3 and onnxruntime on the host. */
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { compileFile } from "../../src/bundle/compile.ts";
import { startWorker } from "../../src/cloud/worker.ts";
import { expectRun } from "../../src/explore/firmware/expected.ts";
import { compareRun } from "../../src/explore/firmware/identity.ts";
import { readStripSamples } from "../../src/explore/strip.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import type { DeviceConfigInput } from "../../src/slot/device-config.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey } from "../../src/slot/keys.ts";
import { EVENT_CODES } from "../../src/wire/device-frames.ts";
import { BROKERS } from "../support/brokers.ts";
import { flashWith, operate, startHostBoard } from "../support/host-device.ts";

const MODEL = "models/resnet20-12e6c-2bit/model.onnx";
const IMAGES = "models/cifar10-test-500";
const log = pino({ level: "silent" });

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A board with nothing but a configuration in its flash. */
async function blankBoard(signers: DeviceConfigInput["signers"]) {
  const flash = await flashWith({ id: "porch", transport: "uart", signers, deadlineMs: 60_000 });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  return board;
}

it.each(["portable", "native"] as const)("a %s module answers as the host does, over a gateway", async (kernels) => {
  const { bundle } = await compileFile(MODEL, { kernels });
  const { images } = await readStripSamples(IMAGES, bundle.manifest, 20);
  const run = await expectRun(bundle, images);
  const signer = generateKey();
  const board = await blankBoard([signer.point]);

  const { device, until } = await operate(board.link);
  expect(await device.describe()).toMatchObject({ device: "porch", board: "host", model: undefined });
  await device.update(createImage(bundle, signer, 7).bytes);
  await device.install();
  await until(EVENT_CODES.started, 2);
  await device.confirm();
  expect(await device.describe()).toMatchObject({ model: { digest: bundle.digest, counter: 7, trial: false } });
  await device.close();

  const broker = await BROKERS.mosquitto();
  cleanups.push(() => broker.close());
  const worker = await startWorker({ broker: broker.url, bundles: [bundle], name: "w", processes: 1, log });
  cleanups.push(() => worker.stop());
  const gateway = await startGateway({ links: [board.link], broker: broker.url, log });
  cleanups.push(() => gateway.stop());
  const operator = await RemoteDevice.overMqtt({ broker: broker.url }, "porch");
  cleanups.push(() => operator.close());
  expect(await compareRun({ id: "porch", device: operator }, broker.url, run, () => undefined)).toEqual([]);
  const unsure = run.samples.filter(({ edge }) => !edge.exited).length;
  expect(unsure).toBeGreaterThan(5);
  const counts = { samples: 20, exited: 20 - unsure, offloaded: unsure, offered: unsure, answered: unsure };
  const none = { unconfirmed: 0, refused: 0, duplicates: 0, invalid: 0, dropped: 0 };
  expect((await operator.describe()).counts).toMatchObject({ ...counts, ...none });
});
