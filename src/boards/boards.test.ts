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

it.each([
  ["is no JSON", "{", "not JSON"],
  ["has a member too many", JSON.stringify({ ...OWN, color: "red" }), "color"],
  ["has no flash", JSON.stringify({ ...OWN, flashBytes: undefined }), "flashBytes"],
  ["is full of firmware", JSON.stringify({ ...OWN, firmware: { flashBytes: 1000, ramBytes: 1 } }), "takes all flash"],
])("a file that %s is refused by name", async (_, content, sentence) => {
  const path = join(folder, "bad.json");
  await writeFile(path, content);
  await expect(findBoard(path)).rejects.toMatchObject({ kind: "input", message: expect.stringContaining(sentence) });
  await expect(findBoard(path)).rejects.toMatchObject({ message: expect.stringContaining(path) });
});
