/** Real firmware in fleets: a board in QEMU, and the firmware as a process behind a gateway. */
import { pino } from "pino";
import { afterEach, beforeAll, expect, test } from "vitest";
import { buildBoards } from "../../../test/support/board-firmware.ts";
import { flashWith, startHostBoard } from "../../../test/support/host-device.ts";
import { openField, PATIENT, type RealField } from "../../../test/support/real-fleet.ts";
import { otherHybrid } from "../../../test/support/tiny-cloud.ts";
import type { Bundle } from "../../bundle/bundle.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { RemoteDevice } from "../../remote/remote-device.ts";
import { createImage } from "../../slot/image.ts";
import { generateKey } from "../../slot/keys.ts";

beforeAll(() => buildBoards(["mps2-an386", "riscv-virt"]));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The firmware with a model, at the broker through a gateway. */
async function deviceBehindGateway({ broker }: RealField, id: string, bundle: Bundle): Promise<RemoteDevice> {
  const key = generateKey();
  const flash = await flashWith({ id, transport: "uart", signers: [key.point], deadlineMs: 3_600_000 });
  cleanups.push(flash.remove);
  const board = await startHostBoard(flash.path);
  cleanups.push(() => board.stop());
  const gateway = await startGateway({ links: [board.link], broker: broker.url, log: pino({ level: "silent" }) });
  cleanups.push(() => gateway.stop());
  const device = await RemoteDevice.overMqtt({ broker: broker.url }, id);
  cleanups.push(() => device.close());
  await device.update(createImage(bundle, key, 1).bytes);
  await device.install();
  while (!(await device.describe()).model);
  await device.confirm();
  return device;
}

/** As PATIENT, as far as firmware can be told. */
const FIRMWARE = { ...PATIENT, deadline: "1d", arrivals: { kind: "periodic", every: "100ms" } };

test("boards in QEMU, a device behind a gateway and twenty on this machine are one fleet", async () => {
  const field = await openField(cleanups);
  await field.worker();
  await deviceBehindGateway(field, "far", field.bundle);
  const groups = [
    { ...FIRMWARE, name: "host", count: 20 },
    { ...FIRMWARE, name: "net", firmware: { board: "mps2-an386" } },
    { ...FIRMWARE, name: "line", firmware: { board: "riscv-virt" }, threshold: 0 },
    { ...FIRMWARE, name: "gateway", firmware: { device: "far" } },
  ];
  const result = await field.run({ duration: "2s", groups });
  const { tally: host, engine } = result.groups[0]!;
  expect(engine).toBe("wasm3");
  expect(host.exited + host.cloud).toBe(400);
  for (const { name, engine, tally, latency } of result.groups.slice(1)) {
    expect([name, engine]).toEqual([name, "firmware"]);
    expect([name, tally.arrivals, tally.exited + tally.cloud]).toEqual([name, 20, 20]);
    // A threshold of 0 leaves nothing to the exit.
    if (name === "line") expect(tally.cloud).toBe(20);
    else expect(tally.exited).toBeGreaterThan(2);
    expect(tally.frames).toBeGreaterThanOrEqual(tally.cloud);
    expect(latency.cloud!.count).toBe(tally.cloud);
  }
  expect(result.devices).toBe(23);
});

test("a device that starts again under way is counted, and goes on", async () => {
  const field = await openField(cleanups);
  await field.worker();
  const operator = await deviceBehindGateway(field, "far", field.bundle);
  const stop = new AbortController();
  /** Samples settled when it was about to start again. */
  let before: number | undefined;
  let asked = false;
  const report = ({ samples }: { samples: number }) => {
    if (samples > 5 && !asked) {
      asked = true;
      operator.restart().then(
        () => {
          before = samples;
        },
        () => stop.abort(),
      );
    }
    // More than it can have held.
    if (before !== undefined && samples > before + 10) stop.abort();
  };
  const group = { ...FIRMWARE, name: "gateway", firmware: { device: "far" } };
  const options = { report, signal: stop.signal };
  const { groups, total } = await field.run({ duration: "1h", groups: [group] }, options);
  expect(groups[0]!.reboots).toBe(1);
  expect(total.exited + total.cloud).toBeGreaterThan(10);
});

test("a device with another model, one that is not there, and no such board are refused", async () => {
  const field = await openField(cleanups);
  await deviceBehindGateway(field, "far", await otherHybrid());
  const run = (firmware: object, broker = field.broker.url) =>
    field.run({ duration: "1s", broker, groups: [{ ...FIRMWARE, name: "g", firmware }] });
  await expect(run({ device: "far" })).rejects.toThrow("The device far runs another model, other.");
  await expect(run({ device: "nobody" })).rejects.toThrow("nobody did not answer");
  await expect(run({ board: "mps2-an386" }, "mqtts://127.0.0.1:1")).rejects.toThrow("by TLS");
  await expect(run({ board: "no-such-board" })).rejects.toThrow("no-such-board");
  await expect(run({ board: "rp2040" })).rejects.toThrow("rp2040 is not emulated");
});
