/**
 * The binarized convolution: xor and popcount in words of 64 bits. A block of neighbouring pixels is held in locals and meets one
 * filter after another, so that a filter is loaded, and the loop over filters goes round, once for all of them.
 */
import { RECORD_TAIL_BYTES } from "../plan/binary-conv.ts";
import { bytesPerPixel, filterBytes, isHalf } from "../plan/packing.ts";
import type { BinaryConvLayer, WordPiece } from "../plan/plan.ts";
import { fillClipTable } from "./clip-table.ts";
import type { Code, Expression, Local } from "./code.ts";
import { loadWord } from "./load-word.ts";
import { fillWithPadding, packSigns, paddedSize } from "./pack-signs.ts";

export function emitBinaryConv(code: Code, layer: BinaryConvLayer): Expression {
  const { clipTable, scratch } = layer;
  return code.block(
    ...fillWithPadding(code, layer),
    ...code.phase(() => packSigns(code, layer)),
    ...(clipTable ? code.phase(() => fillClipTable(code, clipTable, scratch.address + clipTable.countsOffset)) : []),
    ...new Convolution(code, layer).emit(),
  );
}

class Convolution {
  /** Where the bits around the block's first pixel begin, and its outputs. */
  readonly #pixel: Local;
  readonly #out: Local;
  /** The window of a pooled shortcut. */
  readonly #window: Local | undefined;
  /** The filter's record, and what it holds. */
  readonly #record: Local;
  readonly #weights: readonly Local[];
  readonly #base: Local;
  readonly #factor: Local;
  /** The words around each pixel of the block. */
  readonly #words: readonly (readonly Local[])[];
  readonly #value: Local | undefined;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    const word = (pieces: readonly WordPiece[]): Local => (isHalf(pieces) ? code.pointer() : code.word());
    this.#pixel = code.pointer();
    this.#out = code.pointer();
    if (layer.shortcut.kind === "pooled") this.#window = code.pointer();
    this.#record = code.pointer();
    this.#base = code.pointer();
    this.#factor = code.pointer();
    if (!layer.clipTable) this.#value = code.pointer();
    this.#words = Array.from({ length: layer.block }, () => layer.words.map(word));
    this.#weights = layer.block > 1 ? layer.words.map(word) : [];
  }

  emit(): Expression[] {
    const { code, layer } = this;
    const [channels, , width] = layer.inputShape;
    const [, outHeight, outWidth] = layer.outputShape as [number, number, number];
    const { strides, block, shortcut } = layer;
    const beside = outWidth % block;
    const [rows, columns] = shortcut.kind === "pooled" ? shortcut.window : [0, 0];
    return [
      this.#pixel.set(code.i32(layer.bits.address)),
      this.#out.set(code.i32(layer.output.address)),
      ...this.#atWindow((window) => window.set(code.i32(layer.input.address))),
      code.repeat(outHeight, [
        code.repeat(Math.floor(outWidth / block), this.#block(block)),
        ...(beside > 0 ? this.#block(beside) : []),
        this.#pixel.advance(strides[0] * this.#rowStride - outWidth * this.#pixelStep),
        ...this.#atWindow((window) => window.advance((rows * width - outWidth * columns) * channels)),
      ]),
    ];
  }

  get #rowStride(): number {
    return paddedSize(this.layer)[1] * bytesPerPixel(this.layer.inputShape[0]);
  }

  /** Bytes of packed bits from one output pixel to the next. */
  get #pixelStep(): number {
    return this.layer.strides[1] * bytesPerPixel(this.layer.inputShape[0]);
  }

  #atWindow(use: (window: Local) => Expression): Expression[] {
    return this.#window ? [use(this.#window)] : [];
  }

  /** All channels of `pixels` neighbours in a row; moves on behind them. */
  #block(pixels: number): Expression[] {
    const { code, layer } = this;
    const { words, shortcut } = layer;
    const [channels] = layer.inputShape;
    const outputs = layer.outputShape[0]!;
    const added = shortcut.kind === "pooled" ? Math.min(channels, outputs) : outputs;
    const columns = shortcut.kind === "pooled" ? shortcut.window[1] : 0;
    const gather = (p: number): Expression[] =>
      words.map((pieces, w) =>
        this.#words[p]![w]!.set(loadWord(code, this.#pixel, pieces, this.#rowStride, p * this.#pixelStep)),
      );
    return [
      ...Array.from({ length: pixels }, (_, p) => gather(p)).flat(),
      this.#record.set(code.i32(this.#recordAddress(0))),
      ...this.#channels(pixels, 0, added, true),
      ...this.#channels(pixels, added, outputs, false),
      this.#pixel.advance(pixels * this.#pixelStep),
      this.#out.advance((pixels - 1) * outputs),
      ...this.#atWindow((window) => window.advance(pixels * columns * channels - added)),
    ];
  }

  #recordAddress(channel: number): number {
    const { scratch, recordsOffset, words } = this.layer;
    return scratch.address + recordsOffset + channel * (filterBytes(words) + RECORD_TAIL_BYTES);
  }

  /** Output channels `from` to `to` of a block, with the shortcut's values or without. */
  #channels(pixels: number, from: number, to: number, withShortcut: boolean): Expression[] {
    if (from === to) return [];
    const { code, layer } = this;
    const { i32 } = code.module;
    const tail = filterBytes(layer.words);
    const pixel = (p: number): Expression[] => {
      const at = p * layer.outputShape[0]!;
      return this.#store(at, this.#scaled(this.#mismatches(p), withShortcut ? this.#added(p, at) : undefined));
    };
    return [
      code.untilReaches(this.#record, code.i32(this.#recordAddress(to)), [
        ...this.#weights.map((weight, w) => weight.set(this.#loadWeight(w))),
        this.#base.set(i32.load(tail, 4, this.#record.get)),
        this.#factor.set(i32.load(tail + 4, 4, this.#record.get)),
        ...Array.from({ length: pixels }, (_, p) => pixel(p)).flat(),
        this.#record.advance(tail + RECORD_TAIL_BYTES),
        this.#out.advance(1),
        ...(withShortcut ? this.#atWindow((window) => window.advance(1)) : []),
      ]),
    ];
  }

  #loadWeight(w: number): Expression {
    const { i32, i64 } = this.code.module;
    const load = isHalf(this.layer.words[w]!) ? i32.load : i64.load;
    return load(8 * w, 4, this.#record.get);
  }

  /** What the shortcut adds to output `at` of pixel p, in its own steps. */
  #added(p: number, at: number): Expression | undefined {
    const { code, layer } = this;
    const { i32 } = code.module;
    const { shortcut } = layer;
    if (shortcut.kind === "none") return undefined;
    if (shortcut.kind === "identity") return i32.load8_s(at, 1, this.#out.get);
    const [channels, , width] = layer.inputShape;
    const [rows, columns] = shortcut.window;
    const taps: Expression[] = [];
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++)
        taps.push(i32.load8_s((y * width + p * columns + x) * channels, 1, this.#window!.get));
    return taps.reduce((sum, tap) => i32.add(sum, tap));
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

  /** ((added << leftShift) + base - factor * mismatches) >> shift, rounded down. */
  #scaled(mismatches: Expression, added: Expression | undefined): Expression {
    const { code, layer } = this;
    const { i32 } = code.module;
    const scaled = i32.sub(this.#base.get, i32.mul(mismatches, this.#factor.get));
    const shift = (value: Expression, right: number): Expression =>
      right === 0 ? value : right > 0 ? i32.shr_s(value, code.i32(right)) : i32.shl(value, code.i32(-right));
    if (added === undefined || layer.shortcut.kind === "none") return shift(scaled, layer.shift);
    const { leftShift } = layer.shortcut;
    // Whole steps of the output pass the rounding unchanged: they are added behind it.
    if (leftShift >= layer.shift) return i32.add(shift(added, layer.shift - leftShift), shift(scaled, layer.shift));
    return shift(i32.add(shift(added, -leftShift), scaled), layer.shift);
  }

  /** Limits a value to a signed byte and stores it `at` bytes behind #out. */
  #store(at: number, value: Expression): Expression[] {
    const { code } = this;
    const { i32 } = code.module;
    const { clipTable } = this.layer;
    if (clipTable) return [i32.store8(at, 1, this.#out.get, i32.load8_u(clipTable.region.address, 1, value))];
    const limited = this.#value!;
    return [limited.set(value), ...code.clip(limited, -128, 127), i32.store8(at, 1, this.#out.get, limited.get)];
  }
}
