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
import { fillWithPadding, packSigns, paddedSize } from "./pack-signs.ts";

export function emitBinaryConv(code: Code, layer: BinaryConvLayer): Expression {
  const { ending, scratch } = layer;
  const table = ending.kind === "stream" ? ending.clipTable : undefined;
  return code.block(
    ...fillWithPadding(code, layer),
    ...code.phase(() => packSigns(code, layer)),
    ...(table ? code.phase(() => fillClipTable(code, table, scratch.address + table.countsOffset)) : []),
    ...new Convolution(code, layer).emit(),
  );
}

class Convolution {
  readonly #ending: Ending;
  /** Where the bits around the block's first pixel begin. */
  readonly #pixel: Local;
  /** The filter's record, and its words. */
  readonly #record: Local;
  readonly #weights: readonly Local[];
  /** The words around each pixel of the block. */
  readonly #words: readonly (readonly Local[])[];
  /** Bytes of packed bits from one row to the next, and from one output pixel to the next. */
  readonly #rowStride: number;
  readonly #pixelStep: number;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    const word = (pieces: readonly WordPiece[]): Local => (isHalf(pieces) ? code.pointer() : code.word());
    this.#ending = endingOf(code, layer);
    this.#pixel = code.pointer();
    this.#record = code.pointer();
    this.#words = Array.from({ length: layer.block }, () => layer.words.map(word));
    this.#weights = layer.block > 1 ? layer.words.map(word) : [];
    const pixelBytes = bytesPerPixel(layer.inputShape[0]);
    this.#rowStride = paddedSize(layer)[1] * pixelBytes;
    this.#pixelStep = layer.strides[1] * pixelBytes;
  }

  emit(): Expression[] {
    const { code, layer } = this;
    const { strides, block } = layer;
    const [, height, width] = layer.map;
    const beside = width % block;
    return [
      this.#pixel.set(code.i32(layer.bits.address)),
      ...this.#ending.start(),
      code.repeat(height, [
        code.repeat(Math.floor(width / block), this.#block(block)),
        ...(beside > 0 ? this.#block(beside) : []),
        this.#pixel.advance(strides[0] * this.#rowStride - width * this.#pixelStep),
        ...this.#ending.nextRow(),
      ]),
    ];
  }

  /** All outputs of `pixels` neighbours in a row; moves on behind them. */
  #block(pixels: number): Expression[] {
    const { code, layer } = this;
    const gather = (p: number): Expression[] =>
      layer.words.map((pieces, w) =>
        this.#words[p]![w]!.set(loadWord(code, this.#pixel, pieces, this.#rowStride, p * this.#pixelStep)),
      );
    let done = 0;
    return [
      ...Array.from({ length: pixels }, (_, p) => gather(p)).flat(),
      this.#record.set(code.i32(this.#recordAddress(0))),
      ...this.#ending.runs.flatMap(({ count, withShortcut }) => {
        done += count;
        return count > 0 ? [this.#channels(pixels, done, withShortcut)] : [];
      }),
      this.#pixel.advance(pixels * this.#pixelStep),
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
