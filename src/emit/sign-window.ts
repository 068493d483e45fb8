/**
 * The window of packed bits that a binarized convolution looks at: as many rows of the map as the kernel has, padding included. For each
 * column it holds the pixels of those rows one behind another, so that a kernel's taps are neighbouring bytes. A row enters by
 * moving each column's pixels up by one: the oldest is dropped.
 */
import type { BinaryConvLayer } from "../plan/binary-layers.ts";
import { bytesPerPixel } from "../plan/packing.ts";
import type { Code, Expression, Local } from "./code.ts";
import { packPixel, SignTables } from "./pack-signs.ts";

export class SignWindow {
  readonly #pixelBytes: number;
  readonly #columnBytes: number;
  /** The next row of the map, and how many there are. */
  readonly #from: Local;
  readonly #left: Local | undefined;
  /** Rows that enter before the next row of outputs. */
  readonly #entering: Local;
  /** Layers whose windows are alike share the functions that let rows enter. */
  readonly #shape: string;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
  ) {
    const { inputShape, kernel, map, pads, strides, thresholds } = layer;
    this.#pixelBytes = bytesPerPixel(inputShape[0]);
    this.#columnBytes = kernel[0] * this.#pixelBytes;
    this.#from = code.pointer();
    this.#entering = code.pointer();
    const rows = (map[1] - 1) * strides[0] + kernel[0] - pads[0];
    if (rows > inputShape[1]) this.#left = code.pointer();
    this.#shape = `${thresholds ? "thresholds" : "signs"}-${inputShape[0]}x${inputShape[2]}-${kernel[0]}`;
  }

  /** Before the first row: padding everywhere. */
  start(): Expression[] {
    const { code, layer } = this;
    return [
      ...(layer.pads.some((n) => n > 0) ? [this.#fill()] : []),
      this.#from.set(code.i32(layer.input.address)),
      ...(this.#left ? [this.#left.set(code.i32(layer.inputShape[1]))] : []),
      this.#entering.set(code.i32(layer.kernel[0] - layer.pads[0])),
    ];
  }

  #fill(): Expression {
    const { code, layer } = this;
    const columns = layer.inputShape[2] + layer.pads[1] + layer.pads[3];
    const padding = code.i32(layer.scratch.address + layer.padPixelOffset);
    const bytes = [code.i32(this.#pixelBytes), code.i32(columns * this.#columnBytes)];
    return code.callShared("fill", [code.i32(layer.bits.address), padding, ...bytes], fill);
  }

  /** Lets the rows enter that the next row of outputs needs. */
  advance(): Expression[] {
    const { code, layer } = this;
    const left = this.#left;
    const [channels, , width] = layer.inputShape;
    const row = [this.#enterRow(), this.#from.advance(width * channels)];
    const either = left ? [code.module.if(left.get, code.block(...row, left.advance(-1)), this.#enterPadding())] : row;
    return [
      code.untilReaches(this.#entering, code.i32(0), [...either, this.#entering.advance(-1)]),
      this.#entering.set(code.i32(layer.strides[0])),
    ];
  }

  /** The first column that padding does not fill. */
  get #columns(): Expression {
    const { bits, pads } = this.layer;
    return this.code.i32(bits.address + pads[1] * this.#columnBytes);
  }

  #enterRow(): Expression {
    const { layer } = this;
    const channels = layer.inputShape[0];
    const values = [this.#columns, this.#from.get, this.code.i32(layer.scratch.address)];
    return this.code.callShared(`enter-${this.#shape}`, values, (code) => {
      const [to, from, scratch] = [code.parameter(0), code.parameter(1), code.parameter(2)];
      const tables = new SignTables(code, scratch, layer.thresholds ? channels : 0);
      const columns = this.#forColumns(code, to, [
        ...packPixel(code, from, to, this.#columnBytes - this.#pixelBytes, channels, tables),
        from.advance(channels),
      ]);
      return code.block(...tables.start(), columns);
    });
  }

  #enterPadding(): Expression {
    const { scratch, padPixelOffset } = this.layer;
    const values = [this.#columns, this.code.i32(scratch.address + padPixelOffset)];
    return this.code.callShared(`pad-${this.#shape}`, values, (code) => {
      const [to, pixel] = [code.parameter(0), code.parameter(1)];
      const newest = this.#columnBytes - this.#pixelBytes;
      return this.#forColumns(code, to, copy(code, to, newest, pixel, 0, this.#pixelBytes));
    });
  }

  /** Moves each column up and lets `enter` write its last pixel. */
  #forColumns(code: Code, to: Local, enter: Expression[]): Expression {
    const kept = this.#columnBytes - this.#pixelBytes;
    return code.repeat(this.layer.inputShape[2], [
      ...copy(code, to, 0, to, this.#pixelBytes, kept),
      ...enter,
      to.advance(this.#columnBytes),
    ]);
  }
}

/** (to, from, bytes, total): repeats some bytes until there are `total` of them, by copying twice as many each time. */
function fill(code: Code): Expression {
  const { i32, memory, select } = code.module;
  const [to, from, filled, total] = [0, 1, 2, 3].map((index) => code.parameter(index)) as [Local, Local, Local, Local];
  const count = code.pointer();
  const rest = (): Expression => i32.sub(total.get, filled.get);
  return code.block(
    memory.copy(to.get, from.get, filled.get),
    code.untilReaches(filled, total.get, [
      count.set(select(i32.lt_u(filled.get, rest()), filled.get, rest())),
      memory.copy(i32.add(to.get, filled.get), to.get, count.get),
      filled.set(i32.add(filled.get, count.get)),
    ]),
  );
}

/** Copies bytes in ascending order, so that they may move to lower addresses in place. */
function copy(code: Code, to: Local, toOffset: number, from: Local, fromOffset: number, bytes: number): Expression[] {
  const { i32, i64 } = code.module;
  const copies: Expression[] = [];
  for (let done = 0; done < bytes; ) {
    const size = [8, 4, 2, 1].find((n) => n <= bytes - done)!;
    const [target, source] = [toOffset + done, fromOffset + done];
    if (size === 8) copies.push(i64.store(target, 1, to.get, i64.load(source, 1, from.get)));
    else if (size === 4) copies.push(i32.store(target, 1, to.get, i32.load(source, 1, from.get)));
    else if (size === 2) copies.push(i32.store16(target, 1, to.get, i32.load16_u(source, 1, from.get)));
    else copies.push(i32.store8(target, 1, to.get, i32.load8_u(source, 1, from.get)));
    done += size;
  }
  return copies;
}
