/** Packs the signs of a pixel's bytes, or what thresholds make of them, to bits: eight channels at a time. */
import type { Code, Expression, Local } from "./code.ts";

const SIGN_BYTES = 0x8080808080808080n;
/** (x & SIGN_BYTES) * this gathers the signs of the bytes in the top byte, that of the first byte lowest. */
const GATHER_SIGNS = 0x0002040810204081n;
/** Tables for up to this many groups of eight channels are held in locals. */
const MAX_HELD_GROUPS = 8;

/** Packs the pixel at `from` to `at` bytes behind `to`. */
export function packPixel(
  code: Code,
  from: Local,
  to: Local,
  at: number,
  channels: number,
  tables: SignTables,
): Expression[] {
  const { i64 } = code.module;
  return Array.from({ length: Math.ceil(channels / 8) }, (_, g) => {
    const bytes = tables.compared(g, i64.load(8 * g, 1, from.get));
    const rest = channels - 8 * g;
    // A word may reach into the next pixel.
    const signs = rest < 8 ? SIGN_BYTES & ((1n << BigInt(8 * rest)) - 1n) : SIGN_BYTES;
    const bits = i64.mul(i64.and(bytes, code.i64(signs)), code.i64(GATHER_SIGNS));
    return i64.store8(at + g, 1, to.get, i64.shr_u(bits, code.i64(56n)));
  });
}

/** The tables of packThresholds, or none: then bytes are -1 and +1 themselves. */
export class SignTables {
  readonly #u: Local | undefined;
  readonly #held: readonly Local[];

  /** @param channels that have thresholds; 0 without tables */
  constructor(
    private readonly code: Code,
    private readonly tables: Local,
    channels: number,
  ) {
    const groups = Math.ceil(channels / 8);
    if (groups > 0) this.#u = code.word();
    this.#held = Array.from({ length: groups <= MAX_HELD_GROUPS ? 2 * groups : 0 }, () => code.word());
  }

  start(): Expression[] {
    return this.#held.map((local, index) => local.set(this.#entry(index)));
  }

  /**
   * Eight bytes whose sign bits are the bits of the group: the bytes themselves, or u >= 128 + t with u = byte ^ mask. Where the high bit
   * of u is set it remains to compare the low seven bits with t: with the high bits of all bytes set, subtracting t borrows from
   * no other byte and leaves a high bit set exactly where they reach t.
   */
  compared(group: number, bytes: Expression): Expression {
    const { i64 } = this.code.module;
    if (!this.#u) return bytes;
    const u = this.#u.tee(i64.xor(bytes, this.#table(2 * group)));
    return i64.and(i64.sub(i64.or(u, this.code.i64(SIGN_BYTES)), this.#table(2 * group + 1)), this.#u.get);
  }

  #table(index: number): Expression {
    return this.#held[index]?.get ?? this.#entry(index);
  }

  #entry(index: number): Expression {
    return this.code.module.i64.load(8 * index, 1, this.tables.get);
  }
}
