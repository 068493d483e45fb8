/** How wasm3 lays its code into pages: what is left at their ends, and the jumps from one to the next. */

/** A build of wasm3, as far as it decides how much code it makes. */
export interface Wasm3Build {
  /** Bytes of a word of code: the size of a pointer. */
  readonly wordBytes: 4 | 8;
  /** `d_m3CodePageAlignSize` */
  readonly pageBytes: number;
  /** `d_m3MaxConstantTableSize`, in slots of 32 bits. */
  readonly constantSlots: number;
  /** `d_m3MaxFunctionStackHeight`: parameters, locals and operands of a function. */
  readonly values: number;
  /** `d_m3MaxFunctionSlots`, of 32 bits. */
  readonly slots: number;
}

/** Firmware for a microcontroller. */
export const MCU_BUILD: Wasm3Build = { wordBytes: 4, pageBytes: 1024, constantSlots: 64, values: 128, slots: 256 };
/** The build that @aspect/wasm3 is, on a 64-bit host. */
export const HOST_BUILD: Wasm3Build = { wordBytes: 8, pageBytes: 4096, constantSlots: 120, values: 1000, slots: 4000 };

/** Free words below which a page counts as full. */
const FULL = 6;
/** A jump to the next page, for which room is kept. */
const BRIDGE = 2;

interface Page {
  readonly words: number;
  used: number;
}

export class CodePages {
  readonly #all: Page[] = [];
  /** Released before they were full, the last one first. */
  readonly #open: Page[] = [];

  constructor(readonly build: Wasm3Build) {}

  /** Words of code in all pages. */
  get words(): number {
    return this.#all.reduce((sum, page) => sum + page.used, 0);
  }

  get count(): number {
    return this.#all.length;
  }

  acquire(words = FULL): Page {
    const index = this.#open.findIndex((page) => page.words - page.used >= words);
    if (index >= 0) return this.#open.splice(index, 1)[0]!;
    const { pageBytes, wordBytes } = this.build;
    // A pointer to the next page and four 32-bit numbers.
    const page = { words: Math.floor((pageBytes - wordBytes - 16) / wordBytes), used: 0 };
    this.#all.push(page);
    return page;
  }

  release(page: Page): void {
    if (page.words - page.used >= FULL) this.#open.unshift(page);
  }

  /** The page on which the next operation goes: this one, or another one that a jump now leads to. */
  withRoom(page: Page): Page {
    if (page.words - page.used >= FULL + BRIDGE) return page;
    const next = this.acquire(FULL + BRIDGE);
    page.used += BRIDGE;
    this.release(page);
    return next;
  }
}

export type CodePage = Page;
