/** An emulated board that is ready to work: configured, with a confirmed model, and with a way to the broker. For measurements and tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { BoardLog } from "../../boards/board-log.ts";
import { findBoard } from "../../boards/boards.ts";
import { Emulator } from "../../boards/emulator.ts";
import { requireEmulated } from "../../boards/flash-file.ts";
import type { DeviceSettings } from "../../boards/provision.ts";
import { slotBytes } from "../../boards/slot-area.ts";
import type { Variant } from "../../boards/state.ts";
import type { Bundle } from "../../bundle/bundle.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { RemoteDevice } from "../../remote/remote-device.ts";
import { createImage } from "../../slot/image.ts";
import { generateKey, type SigningKey } from "../../slot/keys.ts";
import { EventLog } from "./event-log.ts";

export interface LabOptions {
  /** A board's name. */
  readonly board: string;
  /** Default: plain. */
  readonly variant?: Variant;
  /** Default: what `make firmware` built. */
  readonly firmware?: string;
  /** The model that it starts with, confirmed. */
  readonly bundle: Bundle;
  /** How the board gets to the broker: by its Ethernet, or by its UART and a gateway. */
  readonly transport: "mqtt" | "uart";
  /** False for who brings a gateway along. Default true. */
  readonly gateway?: boolean;
  /** How `device` gets to the board. Default: as the board gets to the broker. */
  readonly operator?: "mqtt" | "uart";
  /** `mqtt://127.0.0.1:port`. */
  readonly broker: string;
  /** Its name at the broker. Default: the board's. */
  readonly id?: string;
  /** What of its configuration differs from the defaults. */
  readonly config?: DeviceSettings;
  /** An instruction takes a nanosecond of the board's time. */
  readonly icount?: boolean;
}

export interface Lab {
  readonly id: string;
  readonly emulator: Emulator;
  /** What it logged since its start. */
  readonly log: BoardLog;
  readonly device: RemoteDevice;
  /** What `device` heard, in order. */
  readonly events: EventLog;
  /** Whose models it takes. */
  readonly signer: SigningKey;
  close(): Promise<void>;
}

/** Counter of the model that a board starts with. */
export const FIRST_COUNTER = 1;

/** @throws HedgeErrors: input (no firmware, no QEMU), network (no broker, a board that does not answer) */
export async function openLab(options: LabOptions): Promise<Lab> {
  const { transport, broker, variant, firmware, icount, id = options.board, operator = transport } = options;
  const board = requireEmulated(await findBoard(options.board));
  const signer = generateKey();
  const model = createImage(options.bundle, signer, FIRST_COUNTER);
  const events = new EventLog();
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "hedge-lab-"));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const emulator = await Emulator.start(board, {
      ...{ folder, id, variant, firmware, icount },
      device: { transport, broker, signers: [signer.point], ...options.config },
      prepare: (area) => area.set(slotBytes(model, board.slots, true), board.slots.offsets[0]),
    });
    closers.push(() => emulator.stop());
    if (transport === "uart" && options.gateway !== false) {
      const gateway = await startGateway({ links: [emulator.uart], broker, log: pino({ level: "silent" }) });
      closers.push(() => gateway.stop());
    }
    const onEvent = events.push.bind(events);
    const device =
      operator === "mqtt"
        ? await RemoteDevice.overMqtt({ broker }, id, { onEvent })
        : await RemoteDevice.overLink(emulator.uart, { onEvent });
    closers.push(() => device.close());
    return { id, emulator, log: emulator.log, device, events, signer, close };
  } catch (error) {
    await close();
    throw error;
  }
}
