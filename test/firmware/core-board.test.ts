/** Lives of a firmware process: blank, started again, hung, killed. */
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { createImage } from "../../src/slot/image.ts";
import { generateKey } from "../../src/slot/keys.ts";
import { EVENT_CODES } from "../../src/wire/device-frames.ts";
import { flashWith, type OperatedDevice, operate, startHostBoard } from "../support/host-device.ts";
import { assemble, tinyAnswer, tinyBundle } from "../support/tiny-bundle.ts";

const SURE = Uint8Array.of(1, 2, 3, 4);
/** The tiny model's interface, and a first step that never returns. */
const HANGS = `(module
  (memory (export "memory") 1 1)
  (func (export "step") (param i32) (result i32) (loop (br 0)) (unreachable)))`;
const signer = generateKey();

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function configuredFlash(): Promise<string> {
  const flash = await flashWith({ id: "porch", transport: "uart", signers: [signer.point] });
  cleanups.push(flash.remove);
  return flash.path;
}

async function start(flash: string) {
  const board = await startHostBoard(flash);
  cleanups.push(() => board.stop());
  const operated = await operate(board.link);
  cleanups.push(() => operated.device.close());
  return { board, ...operated };
}

/** Brings a model onto the device, which starts again to try it. */
async function install({ device }: OperatedDevice, counter: number, edgeWasm?: Uint8Array): Promise<void> {
  const bundle = await tinyBundle(edgeWasm ? { edgeWasm } : {});
  await device.update(createImage(bundle, signer, counter).bytes);
  await device.install();
}

async function installConfirmed(operated: OperatedDevice): Promise<void> {
  await install(operated, 1);
  await operated.until(EVENT_CODES.started, 2);
  await operated.device.confirm();
}

async function expectTiny({ device }: OperatedDevice): Promise<void> {
  const answer = await device.sample(SURE);
  expect(answer).toMatchObject({ source: "edge", label: tinyAnswer(new Int8Array(SURE)).label });
}

it("a blank board answers over its link, and takes no model", async () => {
  const flash = await flashWith();
  cleanups.push(flash.remove);
  const { device } = await start(flash.path);
  expect(await device.describe()).toMatchObject({ device: "unnamed", model: undefined, resetCause: "powerOn" });
  await expect(device.sample(SURE)).rejects.toMatchObject({ event: { code: EVENT_CODES.noModel } });
  const image = createImage(await tinyBundle(), signer, 1);
  await expect(device.update(image.bytes)).rejects.toMatchObject({ event: { code: EVENT_CODES.unknownKey } });
});

it("what was confirmed is there after a restart, on the same line, and in the next process", async () => {
  const flash = await configuredFlash();
  const first = await start(flash);
  await installConfirmed(first);
  await expectTiny(first);
  await first.device.restart();
  await first.until(EVENT_CODES.started, 1);
  expect(await first.device.describe()).toMatchObject({ model: { counter: 1, trial: false }, resetCause: "software" });
  await expectTiny(first);
  first.board.child.kill("SIGKILL");
  await once(first.board.child, "close");

  const second = await start(flash);
  expect(await second.device.describe()).toMatchObject({ model: { counter: 1 }, resetCause: "powerOn" });
  await expectTiny(second);
});

it("a model that hangs is ended by the watchdog, and the one before comes back", async () => {
  const operated = await start(await configuredFlash());
  await installConfirmed(operated);
  await install(operated, 2, assemble(HANGS));
  await operated.until(EVENT_CODES.reverted, 2);
  await operated.until(EVENT_CODES.started, 1);
  expect(await operated.device.describe()).toMatchObject({
    model: { counter: 1, trial: false },
    resetCause: "watchdog",
  });
  await expectTiny(operated);
});

it("a power cut in a trial ends it", async () => {
  const flash = await configuredFlash();
  const first = await start(flash);
  await installConfirmed(first);
  await install(first, 2);
  await first.until(EVENT_CODES.started, 2);
  first.board.child.kill("SIGKILL");
  await once(first.board.child, "close");

  const second = await start(flash);
  expect(await second.device.describe()).toMatchObject({ model: { counter: 1, trial: false } });
  // It is not tried a second time; signed anew, it is.
  await expect(install(second, 2)).rejects.toMatchObject({ event: { code: EVENT_CODES.rejected } });
  await install(second, 3);
  await second.until(EVENT_CODES.started, 2);
  await second.device.revert();
  await second.until(EVENT_CODES.started, 1);
  await expectTiny(second);
});
