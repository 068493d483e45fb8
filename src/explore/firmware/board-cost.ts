/** What an inference costs in the real firmware on an emulated board, and what RAM it has used behind it. */
import type { DeviceSettings } from "../../boards/provision.ts";
import type { Variant } from "../../boards/state.ts";
import type { Bundle } from "../../bundle/bundle.ts";
import { HedgeError } from "../../errors.ts";
import type { Description } from "../../wire/device-frames.ts";
import { bytesOf } from "./identity.ts";
import { openLab } from "./lab.ts";

export interface BoardCost {
  /** Of an inference whose sample does not exit: every step, the payload's among them. */
  readonly instructions: number;
  readonly description: Description;
}

export interface BoardCostOptions {
  readonly variant: Variant;
  readonly bundle: Bundle;
  readonly images: readonly Int8Array[];
  /** For the host, which asks the board over it. */
  readonly broker: string;
  /** What the board is told otherwise. */
  readonly config: DeviceSettings;
}

/** With -icount shift=0 an instruction takes a nanosecond of the board's time, and its timer counts microseconds. */
const INSTRUCTIONS_PER_MICROSECOND = 1000;
/** Nothing exits. */
const NEVER = 0;

/** Runs the images on mps2-an386 over its Ethernet, with a broker and a worker behind it. */
export async function boardCost({ variant, bundle, images, broker, config }: BoardCostOptions): Promise<BoardCost> {
  const lab = await openLab({ board: "mps2-an386", variant, transport: "mqtt", bundle, broker, config, icount: true });
  try {
    await lab.device.setThreshold(NEVER);
    const micros: number[] = [];
    for (const image of images) micros.push((await lab.device.sample(bytesOf(image))).micros);
    const description = await lab.device.describe();
    const slowest = Math.max(...micros);
    if (slowest === 0) throw new HedgeError("internal", "The board counts no time.", "Look at board_micros.");
    return { instructions: slowest * INSTRUCTIONS_PER_MICROSECOND, description };
  } finally {
    await lab.close();
  }
}

/** Bytes of RAM that were used at most: statics, wasm3's arena as far as it was used, and the stack. */
export function ramBytes({ memory }: Description): number {
  return memory.staticBytes - memory.heapBytes + memory.heapPeak + memory.stackPeak;
}
