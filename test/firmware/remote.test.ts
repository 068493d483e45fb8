/** A device as its operator sees it over its link: the firmware as a process, its line cut and its reset pressed at the wrong moments. */
import { afterEach, describe, expect, it } from "vitest";
import { createBundle } from "../../src/bundle/bundle.ts";
import { Refusal, RemoteDevice } from "../../src/remote/remote-device.ts";
import { HEADER_BYTES } from "../../src/slot/header.ts";
import { createImage } from "../../src/slot/image.ts";
import { generateKey } from "../../src/slot/keys.ts";
import { type DeviceEvent, EVENT_CODES, type EventName } from "../../src/wire/device-frames.ts";
import { flashWith, startHostBoard } from "../support/host-device.ts";
import { startRelay } from "../support/relay.ts";
import { tinyDraft, tinyWasm } from "../support/tiny-bundle.ts";
import { tinyCloudOnnx } from "../support/tiny-cloud.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const key = generateKey();

/** The tiny model with weights enough for some dozens of chunks. */
const bundle = await createBundle(tinyDraft(), {
  edgeWasm: tinyWasm(),
  weights: Uint8Array.from({ length: 40_000 }, (_, i) => i * i),
  cloudOnnx: tinyCloudOnnx(),
});
const imageOf = (counter: number, by = key) => createImage(bundle, by, counter).bytes;

/** A device at the far end of a line that can be cut, and its operator. */
async function setUp() {
  const flash = await flashWith({ id: "porch", transport: "uart", signers: [key.point] });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  const line = await startRelay(board.link);
  cleanups.push(() => line.close());
  const events: DeviceEvent[] = [];
  const device = await RemoteDevice.overLink(line.link, { onEvent: (event) => events.push(event) });
  cleanups.push(() => device.close());
  return { device, line, events };
}

const refusal = (name: EventName) =>
  expect.objectContaining({ event: expect.objectContaining({ code: EVENT_CODES[name] }) });

describe("an update over the link", () => {
  it("is whole whatever happens to the line and the device meanwhile, and goes on where it was", async () => {
    const { device, line } = await setUp();
    const image = imageOf(1);
    const seen: number[] = [];
    let restart: Promise<unknown> | undefined;
    await device.update(image, (done, total) => {
      expect(total).toBe(image.length);
      seen.push(done);
      if (seen.length === 5) line.cut();
      if (seen.length === 12) restart = device.restart();
    });
    await restart;
    expect(seen.at(-1)).toBe(image.length);
    // Nothing is sent again but what was under way when the line was cut or the device started again.
    expect(seen.length).toBeLessThan(2 + Math.ceil(image.length / 1024) + 10);
    // What its flash holds tells it where to go on; the last piece may have been torn, and is written again.
    for (const [i, done] of seen.entries()) expect(done).toBeGreaterThanOrEqual((seen[i - 1] ?? 0) - 32);
    // All of it again is nothing new to the device, save for the last piece.
    const again: number[] = [];
    await device.update(image, (done) => again.push(done));
    expect(again[0]).toBeGreaterThanOrEqual(image.length - 32);
    await device.install();
    while (!(await device.describe()).model);
    expect((await device.describe()).model).toMatchObject({ counter: 1, trial: true, digest: bundle.digest });
    await device.confirm();
    expect((await device.describe()).model).toMatchObject({ trial: false });
  });

  it("is refused with the device's reason", async () => {
    const { device } = await setUp();
    await expect(device.update(imageOf(1, generateKey()))).rejects.toEqual(refusal("unknownKey"));
    const altered = Buffer.from(imageOf(1));
    altered[40] = altered[40]! ^ 1;
    await expect(device.update(altered)).rejects.toBeInstanceOf(Refusal);
    // The header is right, what follows is not: that shows when all of it is there.
    const flipped = Buffer.from(imageOf(1));
    flipped[HEADER_BYTES + 30_000] = flipped[HEADER_BYTES + 30_000]! ^ 4;
    await device.update(flipped);
    await expect(device.install()).rejects.toEqual(refusal("badHash"));
    await expect(device.confirm()).rejects.toBeInstanceOf(Refusal);
    await expect(device.sample(new Uint8Array(4))).rejects.toEqual(refusal("noModel"));
  });

  it("that nobody confirms is taken back by command, and not tried again", async () => {
    const { device, events } = await setUp();
    await device.update(imageOf(2));
    await device.install();
    while (!(await device.describe()).model);
    await expect(device.sample(new Uint8Array(5))).rejects.toEqual(refusal("wrongSize"));
    await device.revert();
    while ((await device.describe()).model);
    expect(events.at(-1)).toMatchObject({ request: 0, code: EVENT_CODES.started, number: 0 });
    await expect(device.update(imageOf(2))).rejects.toEqual(refusal("rejected"));
  });
});

describe("an operator", () => {
  it("is told when nobody is at the other end", async () => {
    const line = await startRelay();
    cleanups.push(() => line.close());
    await expect(RemoteDevice.overLink(line.link, {}, 1000)).rejects.toMatchObject({
      kind: "network",
      message: expect.stringContaining(`did not answer describe within 1 s over ${line.link}`),
    });
    await expect(RemoteDevice.overLink("nowhere")).rejects.toMatchObject({ kind: "usage" });
  });

  it("who leaves does not wait any longer", async () => {
    const { device, line } = await setUp();
    line.target = undefined;
    line.cut();
    const asked = expect(device.describe()).rejects.toThrow("the connection to the device was closed");
    await device.close();
    await asked;
  });
});
