/** A device on the host board that a test operates over its link. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RemoteDevice } from "../../src/remote/remote-device.ts";
import { type DeviceConfigInput, encodeConfig } from "../../src/slot/device-config.ts";
import type { DeviceEvent } from "../../src/wire/device-frames.ts";
import { type HostBoard, startHostBoard } from "./firmware.ts";

const CONFIG_BYTES = 16 << 10;

export interface FlashFile {
  readonly path: string;
  remove(): Promise<void>;
}

/** A flash with nothing but a configuration in it, if with that. */
export async function flashWith(config?: DeviceConfigInput): Promise<FlashFile> {
  const folder = await mkdtemp(join(tmpdir(), "hedge-host-board-"));
  const path = join(folder, "flash.bin");
  await writeFile(path, config ? encodeConfig(config, CONFIG_BYTES) : new Uint8Array());
  return { path, remove: () => rm(folder, { recursive: true }) };
}

export interface OperatedDevice {
  readonly device: RemoteDevice;
  /** Resolves once an event of that code and number has come since it was last waited for. */
  until(code: number, number: number): Promise<void>;
}

export async function operate(link: string): Promise<OperatedDevice> {
  let events: DeviceEvent[] = [];
  let wake = () => {};
  const onEvent = (event: DeviceEvent) => {
    events.push(event);
    wake();
  };
  const device = await RemoteDevice.overLink(link, { onEvent });
  return {
    device,
    async until(code, number) {
      for (;;) {
        const at = events.findIndex((event) => event.code === code && event.number === number);
        if (at >= 0) {
          events = events.slice(at + 1);
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

export { type HostBoard, startHostBoard };
