/** The ways by which a signed model gets into a slot of a board. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";
import type { UpdateProgress } from "../remote/remote-device.ts";
import type { DeviceConfigInput } from "../slot/device-config.ts";
import type { SlotImage } from "../slot/image.ts";
import { areaBytes } from "./boards.ts";
import { type EmulatedBoard, readArea, writeArea } from "./flash-file.ts";
import { GdbClient } from "./gdb.ts";
import { commandText, type ProbedBoard, readCommand, runTool, writeCommand } from "./probes.ts";
import { writeConfig, writeSeed } from "./provision.ts";
import { isListening, qmp } from "./qmp.ts";
import { checkAgainst, type SlotNumber, slotBytes, targetSlot } from "./slot-area.ts";
import { type RunningBoard, statePaths } from "./state.ts";
import type { TalkingDevice } from "./trial.ts";

export interface Flashed {
  readonly slot: SlotNumber;
  /** On trial at the next start, or confirmed. */
  readonly state: "trial" | "confirmed";
}

/**
 * Into the flash file of a stopped board; the file is replaced as a whole.
 * @throws HedgeError: usage when the board runs, input when it would not take the model
 */
export async function flashFile(
  board: EmulatedBoard,
  folder: string,
  image: SlotImage,
  confirm: boolean,
): Promise<Flashed> {
  const paths = statePaths(folder);
  if (await isListening(paths.qmp)) {
    throw new HedgeError("usage", `The board of ${folder} runs.`, "Stop it, or take --via uart or --via gdb.");
  }
  const area = await readArea(paths.flash, board);
  checkAgainst(area, board, image);
  const slot = targetSlot(area, board.slots);
  area.set(slotBytes(image, board.slots, confirm), board.slots.offsets[slot]);
  await writeArea(paths.flash, board, area);
  return { slot, state: confirm ? "confirmed" : "trial" };
}

/**
 * Into the memory of a running board that stands for its flash, through QEMU's gdb stub, while the board is halted; then the board is reset, and tries the
 * model.
 * @throws HedgeError: usage for a board whose flash takes commands, input when it would not take the model
 */
export async function flashByGdb(
  board: EmulatedBoard,
  running: RunningBoard,
  device: TalkingDevice,
  image: SlotImage,
  confirm: boolean,
  onProgress: UpdateProgress,
): Promise<Flashed> {
  const { kind, address } = board.emulator.flash;
  if (kind !== "ram") {
    throw new HedgeError(
      "usage",
      `A debugger does not write the flash of ${board.name}.`,
      "Take --via uart, or stop the board and take --via file.",
    );
  }
  device.forget();
  await writeByGdb(board, address, running, image, onProgress);
  return settled(device, image, confirm);
}

async function writeByGdb(
  board: EmulatedBoard,
  address: number,
  running: RunningBoard,
  image: SlotImage,
  onProgress: UpdateProgress,
): Promise<void> {
  const { slots } = board;
  const client = await GdbClient.connect(running.gdb);
  try {
    const area = await client.read(address, areaBytes(slots));
    checkAgainst(area, board, image);
    const slot = targetSlot(area, slots);
    await writeSlot(client, address + slots.offsets[slot], slotBytes(image, slots, false), onProgress);
    // Before the board goes on, by `detach`: what ran knew nothing of the new model.
    await qmp(running.qmp, "system_reset");
  } finally {
    await client.detach();
  }
}

/** The first piece, which has the header, is erased first and written last: what breaks off in between leaves no model. */
async function writeSlot(client: GdbClient, at: number, content: Buffer, onProgress: UpdateProgress): Promise<void> {
  const write = async (offset: number, piece: Uint8Array): Promise<void> => {
    await client.write(at + offset, piece);
    const found = await client.read(at + offset, piece.length);
    if (found.equals(piece)) return;
    throw new HedgeError(
      "check",
      `The board's memory at 0x${(at + offset).toString(16)} did not take what was written.`,
      "Stop the board and take --via file.",
    );
  };
  await write(0, Buffer.alloc(PIECE, 0xff));
  for (let offset = PIECE; offset < content.length; offset += PIECE) {
    await write(offset, content.subarray(offset, offset + PIECE));
    onProgress(offset, content.length);
  }
  await write(0, content.subarray(0, PIECE));
  onProgress(content.length, content.length);
}

/** Bytes that are written and read back at a time. */
const PIECE = 4_096;

/** Over the device's own protocol: in chunks, each of them checked, going on where an update broke off. */
export async function flashRemotely(
  device: TalkingDevice,
  image: SlotImage,
  confirm: boolean,
  onProgress: UpdateProgress,
): Promise<Flashed> {
  await device.remote.update(image.bytes, onProgress);
  device.forget();
  await device.remote.install();
  return settled(device, image, confirm);
}

async function settled(device: TalkingDevice, image: SlotImage, confirm: boolean): Promise<Flashed> {
  const { model } = await device.settle(image.header.counter, confirm);
  return { slot: model!.slot as SlotNumber, state: model!.trial ? "trial" : "confirmed" };
}

/**
 * Into a real board by the tool that its file names: reads its flash area, chooses the slot, writes that.
 * @throws HedgeError (input) when the tool is not installed or the board would not take the model, network when the tool cannot reach the board
 */
export async function flashByProbe(
  board: ProbedBoard,
  image: SlotImage,
  confirm: boolean,
  onProgress: UpdateProgress,
): Promise<Flashed> {
  const { slots } = board;
  return inScratch(async (at) => {
    onProgress(0, 2);
    const file = at("area.bin");
    await runTool(board, readCommand(board, 0, areaBytes(slots), file));
    const area = await readCapped(file, areaBytes(slots), `See what ${board.probe.tool} does by --dry-run.`);
    if (area.length !== areaBytes(slots)) {
      const sentence = `${board.probe.tool} read ${area.length} bytes of ${board.name}, not ${areaBytes(slots)}.`;
      throw new HedgeError("network", sentence, "Connect the board again.");
    }
    checkAgainst(area, board, image);
    const slot = targetSlot(area, slots);
    onProgress(1, 2);
    await writeByProbe(board, slots.offsets[slot], slotBytes(image, slots, confirm), at("slot.bin"));
    return { slot, state: confirm ? "confirmed" : "trial" };
  });
}

/** The configuration of a real board, and its seed where it needs one. */
export async function configureByProbe(board: ProbedBoard, config: DeviceConfigInput): Promise<void> {
  const { slots } = board;
  const area = Buffer.alloc(areaBytes(slots), 0xff);
  writeConfig(area, slots, config);
  writeSeed(area, slots);
  await inScratch(async (at) => {
    for (const { name, offset, bytes } of configuredRegions(board))
      await writeByProbe(board, offset, area.subarray(offset, offset + bytes), at(`${name}.bin`));
  });
}

/** The command lines by which a real board is flashed; which slot is written depends on what the board has. */
export function probeCommands(board: ProbedBoard): { readonly read: string; readonly write: readonly string[] } {
  const { offsets, slotBytes: bytes } = board.slots;
  return {
    read: commandText(readCommand(board, 0, areaBytes(board.slots), "area.bin")),
    write: offsets.map((offset) => commandText(writeCommand(board, offset, bytes, "slot.bin"))),
  };
}

/** Those by which it is configured. */
export function configureCommands(board: ProbedBoard): readonly string[] {
  return configuredRegions(board).map(({ name, offset, bytes }) =>
    commandText(writeCommand(board, offset, bytes, `${name}.bin`)),
  );
}

function configuredRegions({ slots: { config, seed } }: ProbedBoard) {
  return [{ name: "config", ...config }, ...(seed ? [{ name: "seed", ...seed }] : [])];
}

async function writeByProbe(board: ProbedBoard, offset: number, content: Uint8Array, file: string): Promise<void> {
  await writeFile(file, content, { mode: 0o600 });
  await runTool(board, writeCommand(board, offset, content.length, file));
}

/** With a folder for the files that a tool is given: what is in them may be secret. */
async function inScratch<T>(work: (at: (name: string) => string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "hedge-flash-"));
  try {
    return await work((name) => join(folder, name));
  } finally {
    await rm(folder, { recursive: true });
  }
}
