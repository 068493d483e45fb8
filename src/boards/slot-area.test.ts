import { beforeAll, expect, it } from "vitest";
import { tinyBundle } from "../../test/support/tiny-bundle.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { createImage, type SlotImage } from "../slot/image.ts";
import { generateKey } from "../slot/keys.ts";
import { areaBytes, type Board, findBoard, type Slots } from "./boards.ts";
import { writeConfig } from "./provision.ts";
import { checkAgainst, counterFloor, modelsIn, slotBytes, targetSlot } from "./slot-area.ts";

const key = generateKey();
let bundle: Bundle;
let board: Board & { readonly slots: Slots };
beforeAll(async () => {
  bundle = await tinyBundle();
  board = (await findBoard("mps2-an386")) as typeof board;
});

const image = (counter: number): SlotImage => createImage(bundle, key, counter);

/** Erased flash, with a model in either slot: its counter, and whether it is confirmed. */
function area(...models: readonly (readonly [counter: number, confirmed: boolean] | undefined)[]): Buffer {
  const flash = Buffer.alloc(areaBytes(board.slots), 0xff);
  for (const [slot, model] of models.entries())
    if (model) flash.set(slotBytes(image(model[0]), board.slots, model[1]), board.slots.offsets[slot as 0 | 1]);
  return flash;
}

it.each([
  ["nothing", () => area(), 0, 0],
  ["one confirmed in the first", () => area([5, true]), 1, 5],
  ["one confirmed in the second", () => area(undefined, [5, true]), 0, 5],
  ["the newer one in the second", () => area([5, true], [6, true]), 0, 6],
  ["the newer one in the first", () => area([6, true], [5, true]), 1, 6],
  ["one on trial in the first", () => area([6, false], [5, true]), 0, 5],
  ["one on trial alone", () => area([6, false]), 0, 0],
])("with %s a new model goes where none runs", (_, make, slot, floor) => {
  expect([targetSlot(make(), board.slots), counterFloor(make(), board.slots)]).toEqual([slot, floor]);
});

it("a damaged or given up model is none", () => {
  const flash = area([5, true], [6, true]);
  const { offsets, slotBytes: bytes, sectorBytes } = board.slots;
  flash[offsets[1] + 300]! ^= 1;
  expect(modelsIn(flash, board.slots).map(({ slot }) => slot)).toEqual([0]);
  flash.write("HedgeSet", offsets[0] + bytes - sectorBytes + 64, "latin1");
  expect(modelsIn(flash, board.slots)).toEqual([]);
});

it("refuses a model that is not newer, too large, or of a signer whom the configuration does not name", () => {
  const flash = area([5, true]);
  expect(() => checkAgainst(flash, board, image(6))).not.toThrow();
  expect(() => checkAgainst(flash, board, image(5))).toThrow(/not above 5/);
  const small = { ...board, slots: { ...board.slots, slotBytes: 4096 + 256 } };
  expect(() => checkAgainst(flash, small, image(6))).toThrow(/a slot of mps2-an386 has 256/);
  const trust = (...signers: readonly { readonly point: Uint8Array }[]) =>
    writeConfig(flash, board.slots, {
      id: "porch",
      transport: "uart",
      signers: signers.map(({ point }) => Uint8Array.from(point)),
    });
  trust(generateKey());
  expect(() => checkAgainst(flash, board, image(6))).toThrow(/not trusted/);
  trust(generateKey(), key);
  expect(() => checkAgainst(flash, board, image(6))).not.toThrow();
});
