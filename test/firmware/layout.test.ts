/** Board files and firmware agree: where flash lies, how it is divided, and what the firmware leaves to models. */
import { readFile } from "node:fs/promises";
import { beforeAll, expect, it } from "vitest";
import { budgetOf, knownBoards } from "../../src/boards/boards.ts";
import { firmwarePath } from "../../src/boards/emulator.ts";
import { isEmulated } from "../../src/boards/flash-file.ts";
import { buildBoards } from "../support/board-firmware.ts";
import { elfSymbol } from "../support/elf.ts";

const BOARDS = knownBoards().filter(isEmulated);

beforeAll(() => buildBoards(BOARDS.map(({ name }) => name)));

it.each(BOARDS.map((board) => [board.name, board] as const))("%s", async (name, board) => {
  const elf = await readFile(firmwarePath(name, "plain"));
  expect(elfSymbol(elf, "board_name").content.toString("latin1")).toBe(`${name}\0`);
  // As firmware-wasm/core/flash.h has it, pointers of 32 bits.
  const flash = elfSymbol(elf, "board_flash").content;
  const words = Array.from({ length: flash.length / 4 }, (_, i) => flash.readUInt32LE(4 * i));
  const [memory, sectorBytes, , , , , configAt, configBytes, seedAt, seedBytes, slotA, slotB, slotBytes] = words;
  expect({
    address: memory,
    slots: {
      sectorBytes,
      config: { offset: configAt, bytes: configBytes },
      seed: { offset: seedAt, bytes: seedBytes },
      offsets: [slotA, slotB],
      slotBytes,
    },
  }).toEqual({ address: board.emulator.flash.address, slots: board.slots });
  expect(words).toHaveLength(13);
  // All that models get of RAM, for wasm3's heap.
  expect(elfSymbol(elf, "arena").bytes).toBe(budgetOf(board).ram);
});
