import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { budgetOf, findBoard, knownBoards } from "./boards.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hedge-boards-"));
});
afterAll(() => rm(folder, { recursive: true }));

const OWN = {
  name: "own",
  title: "Our board",
  core: "Cortex-M4",
  clockMHz: 48,
  flashBytes: 1000,
  ramBytes: 500,
  firmware: { flashBytes: 100, ramBytes: 50 },
};

it("every board that comes along is found by its name, and leaves room for a model", async () => {
  const boards = knownBoards();
  expect(boards.length).toBeGreaterThan(4);
  for (const board of boards) {
    expect(await findBoard(board.name)).toEqual(board);
    expect(budgetOf(board).ram).toBeGreaterThanOrEqual(40 * 1024);
  }
});

it("a board may be a file of one's own", async () => {
  const path = join(folder, "own.json");
  await writeFile(path, JSON.stringify(OWN));
  const board = await findBoard(path);
  expect(board).toEqual(OWN);
  expect(budgetOf(board)).toEqual({ flash: 900, ram: 450 });
});

it("an unknown name is refused with the known ones", async () => {
  const remedy = expect.stringContaining("nrf52840-dk");
  await expect(findBoard("uno")).rejects.toMatchObject({
    kind: "usage",
    message: expect.stringContaining('"uno"'),
    remedy,
  });
});

const SLOTS = { sectorBytes: 256, config: { offset: 0, bytes: 256 }, offsets: [256, 768], slotBytes: 512 };
const withSlots = (slots: object): string => JSON.stringify({ ...OWN, slots: { ...SLOTS, ...slots } });

it("a board with slots has the room of one for a model, without its header and its status sector", async () => {
  const path = join(folder, "slots.json");
  await writeFile(path, withSlots({}));
  expect(budgetOf(await findBoard(path))).toEqual({ flash: 0, ram: 450 });
});

it.each([
  ["is no JSON", "{", "not JSON"],
  ["has a member too many", JSON.stringify({ ...OWN, color: "red" }), "color"],
  ["has no flash", JSON.stringify({ ...OWN, flashBytes: undefined }), "flashBytes"],
  ["has a slot off the sectors", withSlots({ offsets: [256, 700] }), "a region does not lie on sectors"],
  ["has slots that overlap", withSlots({ offsets: [256, 512] }), "regions overlap"],
  ["has a slot over its configuration", withSlots({ offsets: [0, 768] }), "regions overlap"],
  ["has slots of status sectors alone", withSlots({ slotBytes: 256 }), "no room beside its status sector"],
  [
    "names a tool and no slots",
    JSON.stringify({ ...OWN, probe: { tool: "openocd", address: "0x08000000" } }),
    "slots that it has not",
  ],
  [
    "has an address that is none",
    JSON.stringify({ ...OWN, slots: SLOTS, probe: { tool: "openocd", address: "8000" } }),
    "it is no address",
  ],
  ["is full of firmware", JSON.stringify({ ...OWN, firmware: { flashBytes: 1000, ramBytes: 1 } }), "takes all flash"],
])("a file that %s is refused by name", async (_, content, sentence) => {
  const path = join(folder, "bad.json");
  await writeFile(path, content);
  await expect(findBoard(path)).rejects.toMatchObject({ kind: "input", message: expect.stringContaining(sentence) });
  await expect(findBoard(path)).rejects.toMatchObject({ message: expect.stringContaining(path) });
});
