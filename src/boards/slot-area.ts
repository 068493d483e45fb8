/**
 * The two model slots of a flash area, as the firmware's boot sees them (firmware-wasm/core/boot.c): which one would run, and whether a new model would be
 * taken. For whoever writes slots from outside, past the firmware's own checks.
 */
import { HedgeError } from "../errors.ts";
import { decodeConfig } from "../slot/device-config.ts";
import { bodyBytes, decodeHeader, HEADER_BYTES, type SlotHeader } from "../slot/header.ts";
import { parseImage, requireRoom, type SlotImage, verifyImage } from "../slot/image.ts";
import { type PublicKey, publicKeyAt } from "../slot/keys.ts";
import type { Board, Slots } from "./boards.ts";

/** What the device notes in a slot's last sector, by offset; a mark is set once its bytes are whole. */
const MARKS = { tried: 0, confirmed: 32, givenUp: 64 } as const;
const MARK = "HedgeSet";

export type SlotNumber = 0 | 1;

export interface FoundModel {
  readonly slot: SlotNumber;
  readonly header: SlotHeader;
  readonly confirmed: boolean;
}

/** The valid models in a flash area, those that were given up left out; the one that a boot would fall back on comes first. */
export function modelsIn(area: Uint8Array, slots: Slots): FoundModel[] {
  const found = ([0, 1] as const).map((slot) => modelAt(area, slots, slot));
  return found
    .filter((model) => model !== undefined)
    .toSorted((a, b) => Number(b.confirmed) - Number(a.confirmed) || b.header.counter - a.header.counter);
}

function modelAt(area: Uint8Array, slots: Slots, slot: SlotNumber): FoundModel | undefined {
  const start = slots.offsets[slot];
  const status = start + slots.slotBytes - slots.sectorBytes;
  const isMarked = (mark: keyof typeof MARKS): boolean =>
    Buffer.from(area).toString("latin1", status + MARKS[mark], status + MARKS[mark] + MARK.length) === MARK;
  if (isMarked("givenUp")) return undefined;
  try {
    const image = area.subarray(start, status);
    const header = decodeHeader(image, `slot ${slot}`);
    parseImage(image.subarray(0, HEADER_BYTES + bodyBytes(header)), `slot ${slot}`);
    return { slot, header, confirmed: isMarked("confirmed") };
  } catch (error) {
    if (error instanceof HedgeError) return undefined;
    throw error;
  }
}

/** The slot that a new model goes to: not the one that runs. */
export function targetSlot(area: Uint8Array, slots: Slots): SlotNumber {
  const [active] = modelsIn(area, slots);
  return active?.confirmed && active.slot === 0 ? 1 : 0;
}

/** The counter that a new model has to exceed; 0 without a confirmed one. */
export function counterFloor(area: Uint8Array, slots: Slots): number {
  return Math.max(0, ...modelsIn(area, slots).map(({ header, confirmed }) => (confirmed ? header.counter : 0)));
}

/**
 * Refuses what the board's firmware would not take.
 * @throws HedgeError (input): it does not fit, nobody whom the board trusts signed it, or its counter is not above a confirmed one
 */
export function checkAgainst(area: Uint8Array, board: Board & { readonly slots: Slots }, image: SlotImage): void {
  requireRoom(image, board);
  const name = image.header.name;
  const trusted = trustedKeys(area, board.slots);
  // A board that nobody told whom to trust is told before it starts.
  if (trusted) verifyImage(image, trusted, name);
  const floor = counterFloor(area, board.slots);
  if (image.header.counter > floor) return;
  throw new HedgeError(
    "input",
    `${name} has counter ${image.header.counter}, and ${board.name} takes none that is not above ${floor}.`,
    `Sign it with a higher one: --counter ${floor + 1}.`,
  );
}

/** @returns undefined for a board without a configuration */
function trustedKeys(area: Uint8Array, { config }: Slots): readonly PublicKey[] | undefined {
  const block = area.subarray(config.offset, config.offset + config.bytes);
  if (block.subarray(0, 4).every((byte) => byte === 0xff)) return undefined;
  return decodeConfig(block, "the board's flash").signers.map(publicKeyAt);
}

/** A whole slot with a model: on trial at the next start, or confirmed as if it had been. */
export function slotBytes(image: SlotImage, slots: Slots, confirmed: boolean): Buffer {
  const slot = Buffer.alloc(slots.slotBytes, 0xff);
  slot.set(image.bytes);
  const status = slots.slotBytes - slots.sectorBytes;
  if (confirmed) for (const mark of ["tried", "confirmed"] as const) slot.write(MARK, status + MARKS[mark], "latin1");
  return slot;
}
