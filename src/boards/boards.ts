/** Boards as data files: what a part has, what its firmware needs of that beside the model, and how models get onto it. */
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { readCapped } from "../files.ts";

const FOLDER = new URL("./", import.meta.url);
const MAX_BOARD_BYTES = 65536;
const SLOT_HEADER_BYTES = 256;

const bytes = z
  .int()
  .positive()
  .max(2 ** 32);
const text = z.string().regex(/^\P{Cc}*$/u, "it holds a control character");

const count = z.int().nonnegative();
/** JSON has no hexadecimal numbers, and nobody reads an address in another form. */
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,8}$/, "it is no address such as 0x08080000")
  .transform(Number);

/** The flash area of the configuration and the two model slots, as `board_flash` in firmware-wasm/boards/NAME has it; offsets within the area. */
const slotsObject = z.strictObject({
  sectorBytes: bytes,
  config: z.strictObject({ offset: count, bytes }),
  /** Of boards without a random number generator. */
  seed: z.strictObject({ offset: count, bytes }).optional(),
  offsets: z.tuple([count, count]),
  /** Of a slot; its last sector is the status sector. */
  slotBytes: bytes,
});
export type Slots = z.infer<typeof slotsObject>;

const slotsSchema = slotsObject
  .refine((slots) => regionsOf(slots).every((region) => isAligned(slots, region)), "a region does not lie on sectors")
  .refine((slots) => areApart(regionsOf(slots)), "regions overlap")
  .refine(({ slotBytes, sectorBytes }) => slotBytes > sectorBytes, "a slot has no room beside its status sector");

/** How QEMU shows the board. */
const emulatorSchema = z.strictObject({
  qemu: z.enum(["qemu-system-arm", "qemu-system-riscv32"]),
  /** Its -machine, and further arguments. */
  machine: text,
  arguments: z.array(text),
  /** How it takes the firmware: -kernel, or a loader's device, for machines that give their kernel to parallel flash. */
  program: z.enum(["kernel", "loader"]),
  /** The model of its network controller; none: the board speaks over its UART. */
  ethernet: text.optional(),
  /**
   * Where the flash area starts, and what backs it by a file of `bytes`: the machine's main memory, which the driver treats as flash, or parallel
   * flash.
   */
  flash: z.strictObject({ kind: z.enum(["ram", "pflash"]), address, bytes }),
});

/** The tool that writes a real board's flash, with its configuration (openocd: a file; esptool: a chip). */
const probeSchema = z.strictObject({
  tool: z.enum(["openocd", "esptool", "picotool"]),
  config: text.optional(),
  /** Of the flash area. */
  address,
});

const boardSchema = z
  .strictObject({
    name: text.min(1).max(100),
    title: text,
    core: text,
    clockMHz: z.number().positive(),
    flashBytes: bytes,
    ramBytes: bytes,
    /** What is taken before the model comes: code and constants; static data, stacks and other heaps. */
    firmware: z.strictObject({ flashBytes: z.int().nonnegative(), ramBytes: z.int().nonnegative() }),
    slots: slotsSchema.optional(),
    emulator: emulatorSchema.optional(),
    probe: probeSchema.optional(),
    notes: text.optional(),
  })
  .refine(({ flashBytes, firmware }) => firmware.flashBytes < flashBytes, "its firmware takes all flash")
  .refine(({ ramBytes, firmware }) => firmware.ramBytes < ramBytes, "its firmware takes all RAM")
  .refine(({ slots, emulator, probe }) => slots || !(emulator || probe), "it says how to write slots that it has not")
  .refine(
    ({ slots, emulator }) => !slots || !emulator || areaBytes(slots) <= emulator.flash.bytes,
    "its flash area is larger than what backs it",
  );

export type Board = z.infer<typeof boardSchema>;
export type EmulatorSpec = z.infer<typeof emulatorSchema>;
export type Probe = z.infer<typeof probeSchema>;
type Region = { readonly offset: number; readonly bytes: number };

function regionsOf({ config, seed, offsets, slotBytes }: Slots): Region[] {
  return [config, ...(seed ? [seed] : []), ...offsets.map((offset) => ({ offset, bytes: slotBytes }))];
}

function isAligned({ sectorBytes }: Slots, region: Region): boolean {
  return region.offset % sectorBytes === 0 && region.bytes % sectorBytes === 0;
}

function areApart(regions: readonly Region[]): boolean {
  const sorted = regions.toSorted((a, b) => a.offset - b.offset);
  return sorted.every(({ offset }, i) => i === 0 || sorted[i - 1]!.offset + sorted[i - 1]!.bytes <= offset);
}

/** Size of the flash area: to the end of its last region. */
export function areaBytes(slots: Slots): number {
  return Math.max(...regionsOf(slots).map(({ offset, bytes }) => offset + bytes));
}

/** Flash and RAM in bytes that a model may take: the module and its weights; wasm3's whole heap. */
export function budgetOf({ flashBytes, ramBytes, firmware, slots }: Board): { flash: number; ram: number } {
  const flash = slots ? slots.slotBytes - slots.sectorBytes - SLOT_HEADER_BYTES : flashBytes - firmware.flashBytes;
  return { flash, ram: ramBytes - firmware.ramBytes };
}

/** The boards that come with Hedge, the smallest budget of RAM first. */
export function knownBoards(): Board[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => parseBoard(readFileSync(new URL(file, FOLDER), "utf8"), file))
    .toSorted((a, b) => budgetOf(a).ram - budgetOf(b).ram);
}

/**
 * @param name of a board that comes with Hedge, or the path of a board's file (.json)
 * @throws HedgeError: usage for an unknown name, input for a file that describes no board
 */
export async function findBoard(name: string): Promise<Board> {
  if (name.endsWith(".json")) {
    const file = await readCapped(name, MAX_BOARD_BYTES, "Give a board's name or the path of its file.");
    return parseBoard(file.toString("utf8"), name);
  }
  const boards = knownBoards();
  const board = boards.find((each) => each.name === name);
  if (board) return board;
  const names = boards.map((each) => each.name).join(", ");
  throw new HedgeError(
    "usage",
    `No board is called "${name}".`,
    `Take one of ${names}, or give the path of a board's file.`,
  );
}

function parseBoard(json: string, file: string): Board {
  const remedy = "Write it like the files in src/boards.";
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new HedgeError("input", `${file} is not JSON.`, remedy, { cause });
  }
  const result = boardSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new HedgeError("input", `${file} describes no board: ${[...path, message].join(": ")}.`, remedy);
}
