/**
 * The binarized convolution: xor and popcount in words of 64 bits. A block of neighbouring pixels is held in locals and meets one
 * filter after another, so that a filter is loaded, and the loop over filters goes round, once for all of them.
 */
import type { BinaryConvLayer } from "../plan/binary-layers.ts";
import { bytesPerPixel, isHalf } from "../plan/packing.ts";
import type { WordPiece } from "../plan/plan.ts";
import { type Ending, endingOf } from "./binary-endings.ts";
import { fillClipTable } from "./clip-table.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadWord } from "./load-word.ts";
import { SignWindow } from "./sign-window.ts";

export function emitBinaryConv(code: Code, layer: BinaryConvLayer): Expression {
  return code.block(...new Convolution(code, layer).emit());
}

class Convolution {
  readonly #ending: Ending;
  readonly #window: SignWindow;
  readonly #rows: Local;
  /** The first column of the block's first pixel. */
  readonly #column: Local;
  /** The filter's record, and its words. */
  readonly #record: Local;
  readonly #weights: readonly Local[];
  /** The words around each pixel of the block. */
  readonly #words: readonly (readonly Local[])[];
  /** Bytes of packed bits from one output pixel to the next. */
  readonly #step: number;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    this.#ending = endingOf(code, layer);
    this.#window = new SignWindow(code, layer);
    this.#rows = code.pointer();
    this.#column = code.pointer();
    this.#record = code.pointer();
    const word = (pieces: readonly WordPiece[]): Local => (isHalf(pieces) ? code.pointer() : code.word());
    this.#words = Array.from({ length: layer.block }, () => layer.words.map(word));
    this.#weights = layer.block > 1 ? layer.words.map(word) : [];
    this.#step = layer.strides[1] * layer.kernel[0] * bytesPerPixel(layer.inputShape[0]);
  }

  emit(): Expression[] {
    const { code, layer } = this;
    const { block, map } = layer;
    const beside = map[2] % block;
    return [
      ...this.#fillTable(),
      ...this.#window.start(),
      ...this.#ending.start(),
      this.#rows.set(code.i32(map[1])),
      code.untilReaches(this.#rows, code.i32(0), [
        ...this.#window.advance(),
        this.#column.set(code.i32(layer.bits.address)),
        code.repeat(Math.floor(map[2] / block), this.#block(block)),
        ...(beside > 0 ? this.#block(beside) : []),
        ...this.#ending.nextRow(),
        this.#rows.advance(-1),
      ]),
    ];
  }

  #fillTable(): Expression[] {
    const { ending, scratch } = this.layer;
    const table = ending.kind === "stream" ? ending.clipTable : undefined;
    return table ? [fillClipTable(this.code, table, scratch.address + table.countsOffset)] : [];
  }

  /** All outputs of `pixels` neighbours in a row; moves on behind them. */
  #block(pixels: number): Expression[] {
    const { code, layer } = this;
    const gather = (p: number): Expression[] =>
      layer.words.map((pieces, w) => this.#words[p]![w]!.set(loadWord(code, this.#column, pieces, 0, p * this.#step)));
    let done = 0;
    return [
      ...Array.from({ length: pixels }, (_, p) => gather(p)).flat(),
      this.#record.set(code.i32(this.#recordAddress(0))),
      ...this.#ending.runs.flatMap(({ count, withShortcut }) => {
        done += count;
        return count > 0 ? [this.#channels(pixels, done, withShortcut)] : [];
      }),
      this.#column.advance(pixels * this.#step),
      ...this.#ending.nextBlock(pixels),
    ];
  }

  /** Output channels from where the record is up to `end`. */
  #channels(pixels: number, end: number, withShortcut: boolean): Expression {
    const { code } = this;
    const store = (p: number): Expression[] => this.#ending.store(this.#mismatches(p), p, this.#record, withShortcut);
    return code.untilReaches(this.#record, code.i32(this.#recordAddress(end)), [
      ...this.#weights.map((weight, w) => weight.set(this.#loadWeight(w))),
      ...this.#ending.load(this.#record),
      ...Array.from({ length: pixels }, (_, p) => store(p)).flat(),
      ...this.#ending.nextChannel(withShortcut),
      this.#record.advance(this.layer.recordBytes),
    ]);
  }

  #recordAddress(channel: number): number {
    const { scratch, recordsOffset, recordBytes } = this.layer;
    return scratch.address + recordsOffset + channel * recordBytes;
  }

  #loadWeight(w: number): Expression {
    const { i32, i64 } = this.code.module;
    const load = isHalf(this.layer.words[w]!) ? i32.load : i64.load;
    return load(8 * w, 4, this.#record.get);
  }

  /** How many products around pixel p are -1. */
  #mismatches(p: number): Expression {
    const { i32, i64 } = this.code.module;
    const halves: Expression[] = [];
    const counts: Expression[] = [];
    this.layer.words.forEach((pieces, w) => {
      const word = this.#words[p]![w]!.get;
      const weight = this.#weights[w]?.get ?? this.#loadWeight(w);
      if (isHalf(pieces)) halves.push(i32.popcnt(i32.xor(weight, word)));
      else counts.push(i64.popcnt(i64.xor(weight, word)));
    });
    const whole = counts.length > 0 ? [i32.wrap(counts.reduce((sum, count) => i64.add(sum, count)))] : [];
    return [...halves, ...whole].reduce((sum, count) => i32.add(sum, count));
  }
}
