/** A board in QEMU: its flash in a file, its UART and its time on the host's loopback, its Ethernet behind a NAT of QEMU's. */
import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { HedgeError } from "../errors.ts";
import type { DeviceConfigInput } from "../slot/device-config.ts";
import { checkName } from "../wire/topics.ts";
import { BoardLog } from "./board-log.ts";
import { type EmulatedBoard, readArea, writeArea } from "./flash-file.ts";
import { type DeviceSettings, developmentKey, deviceConfig, writeConfig, writeSeed } from "./provision.ts";
import { Qemu } from "./qemu.ts";
import { isListening, qmp, quit } from "./qmp.ts";
import {
  makeFolder,
  type RunningBoard,
  readRunning,
  removeRunning,
  statePaths,
  type Variant,
  writeRunning,
} from "./state.ts";
import { startTimeServer, type TimeServer } from "./time-server.ts";
import { UartHub } from "./uart-hub.ts";

const FIRMWARE = new URL("../../build/firmware/", import.meta.url);
/** Milliseconds between looks at whether QEMU is gone. */
const LOOK = 20;
/** The host's loopback as the board sees it. */
export const HOST_ADDRESS = "10.0.2.2";
const NETWORK = "net0";

export interface EmulatorOptions {
  /** State folder; made when there is none. */
  readonly folder: string;
  /** Default: the board's own name. */
  readonly id?: string;
  /** Default: plain. */
  readonly variant?: Variant;
  /** Default: what `make firmware` built. */
  readonly firmware?: string;
  /**
   * What the device is told, in its flash. Its broker is named as this machine knows it; it takes its time from this process, and trusts the key in
   * the state folder unless it is told whom to trust. Default: what its flash says already.
   */
  readonly device?: DeviceSettings;
  /** Writes into the flash area before the board starts, such as a model. */
  readonly prepare?: (area: Buffer) => void | Promise<void>;
  /** An instruction takes a nanosecond of the board's time: counts are exact, and the same every time. */
  readonly icount?: boolean;
}

/** Where `make firmware` puts a board's program. */
export function firmwarePath(board: string, variant: Variant): string {
  const folder = variant === "plain" ? board : `${board}-${variant}`;
  return fileURLToPath(new URL(`${folder}/firmware.elf`, FIRMWARE));
}

export class Emulator {
  /** Resolves once QEMU is gone, whoever ended it: to what it complained of, or nothing. */
  readonly ended: Promise<string>;
  readonly #parts: Parts;

  private constructor(
    readonly running: RunningBoard,
    readonly folder: string,
    readonly log: BoardLog,
    parts: Parts,
  ) {
    this.#parts = parts;
    this.ended = this.#end();
  }

  /**
   * Starts a board. It runs until `stop`, and through resets of its own.
   * @throws HedgeError as `checkStart`, and (input) when QEMU is not installed or the folder cannot be written
   */
  static async start(board: EmulatedBoard, options: EmulatorOptions): Promise<Emulator> {
    await checkStart(board, options);
    const { id = board.name, variant = "plain" } = options;
    const folder = resolve(options.folder);
    const firmware = options.firmware ?? firmwarePath(board.name, variant);
    const paths = statePaths(folder);
    await makeFolder(folder);
    const parts = new Parts();
    try {
      parts.time = await startTimeServer();
      const area = await readArea(paths.flash, board);
      writeSeed(area, board.slots);
      if (options.device)
        writeConfig(area, board.slots, await emulatedConfig(board, folder, id, options.device, parts.time));
      await options.prepare?.(area);
      await writeArea(paths.flash, board, area);
      const log = new BoardLog();
      parts.hub = await UartHub.start((bytes) => log.push(bytes));
      parts.qemu = new Qemu(board, {
        folder,
        firmware: resolve(firmware),
        uartPort: parts.hub.boardPort,
        network: NETWORK,
        icount: options.icount,
      });
      await parts.qemu.untilListening(paths.qmp);
      const running: RunningBoard = {
        board: board.name,
        id,
        variant,
        pid: process.pid,
        uart: `tcp:127.0.0.1:${parts.hub.clientPort}`,
        gdb: paths.gdb,
        qmp: paths.qmp,
        sntp: parts.time.port,
      };
      await writeRunning(folder, running);
      await qmp(running.qmp, "cont");
      return new Emulator(running, folder, log, parts);
    } catch (error) {
      await parts.close();
      await removeRunning(folder);
      throw error;
    }
  }

  /** Address of its UART, for any number of programs. */
  get uart(): string {
    return this.running.uart;
  }

  /** As the board's reset button; its flash stays. */
  async reset(): Promise<void> {
    await resetBoard(this.running);
  }

  /** Pulls the Ethernet cable. */
  async linkDown(): Promise<void> {
    await qmp(this.running.qmp, "set_link", { name: NETWORK, up: false });
  }

  async linkUp(): Promise<void> {
    await qmp(this.running.qmp, "set_link", { name: NETWORK, up: true });
  }

  /** Cuts its power. */
  async stop(): Promise<void> {
    this.#parts.qemu!.kill();
    await this.ended;
  }

  async #end(): Promise<string> {
    const complaint = await this.#parts.qemu!.ended;
    await this.#parts.close();
    await removeRunning(this.folder);
    return complaint;
  }
}

/**
 * Sees what keeps a board from being started, before anything is written.
 * @throws HedgeError: input when its firmware is not built, usage when a board runs from the folder, no device can have that name, or the firmware
 * does not speak as it is told to
 */
export async function checkStart(
  board: EmulatedBoard,
  { folder, id = board.name, variant = "plain", firmware, device }: EmulatorOptions,
): Promise<void> {
  checkName("device", id);
  if (
    firmware === undefined &&
    variant !== "tls" &&
    device?.broker?.startsWith("mqtts:") &&
    device.transport !== "uart"
  ) {
    throw new HedgeError(
      "usage",
      `The ${variant} firmware speaks no TLS.`,
      "Take --variant tls, or a broker at mqtt://.",
    );
  }
  await requireFirmware(firmware ?? firmwarePath(board.name, variant), board.name);
  if (await isListening(statePaths(folder).qmp)) {
    const remedy = "Stop it with hedge board stop, or give another --id.";
    throw new HedgeError("usage", `A board runs from ${folder} already.`, remedy);
  }
}

/** As the reset button: the board runs afterwards, also one that a debugger halted and left. */
export async function resetBoard({ qmp: socket }: RunningBoard): Promise<void> {
  await qmp(socket, "system_reset");
  await qmp(socket, "cont");
}

/** Ends the board that runs from a state folder, whoever started it; resolves once it is gone. */
export async function stopBoard(folder: string): Promise<void> {
  const { qmp: socket } = statePaths(folder);
  if (await isListening(socket)) await quit(socket);
  while (await isListening(socket)) await sleep(LOOK);
}

/** @throws HedgeError (usage) when no board runs from that folder */
export async function requireRunning(folder: string): Promise<RunningBoard> {
  const running = await readRunning(folder);
  if (running) return running;
  throw new HedgeError("usage", `No board runs from ${folder}.`, "Start it with hedge board run.");
}

/** What the settings leave open: the transport that the board has, this machine's time, the key in the state folder. */
async function emulatedConfig(
  board: EmulatedBoard,
  folder: string,
  id: string,
  settings: DeviceSettings,
  time: TimeServer,
): Promise<DeviceConfigInput> {
  const { transport = board.emulator.ethernet === undefined ? "uart" : "mqtt" } = settings;
  const signers = settings.signers ?? [(await developmentKey(statePaths(folder).signer)).point];
  const timeServer = { timeServer: HOST_ADDRESS, timePort: time.port };
  return deviceConfig(id, { ...settings, transport, signers }, timeServer, HOST_ADDRESS);
}

/** What makes up an emulated board on the host. */
class Parts {
  time: TimeServer | undefined;
  hub: UartHub | undefined;
  qemu: Qemu | undefined;

  async close(): Promise<void> {
    this.qemu?.kill();
    this.hub?.close();
    await this.time?.close();
  }
}

async function requireFirmware(path: string, board: string): Promise<void> {
  await access(path).catch((cause) => {
    const remedy = "Build it with make firmware, or name a program with --firmware.";
    throw new HedgeError("input", `There is no firmware for ${board} at ${path}.`, remedy, { cause });
  });
}
