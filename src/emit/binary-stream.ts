/** The ending of a layer that makes an 8-bit stream: alpha, shortcut, rounding and limits. */
import type { BinaryConvLayer, BinaryEnding } from "../plan/binary-layers.ts";
import { filterBytes } from "../plan/packing.ts";
import type { Ending } from "./binary-endings.ts";
import type { Code, Expression, Local } from "./code.ts";

type Stream = Extract<BinaryEnding, { kind: "stream" }>;

export class StreamEnding implements Ending {
  readonly runs: Ending["runs"];
  readonly #outputs: number;
  readonly #out: Local;
  readonly #base: Local;
  readonly #factor: Local;
  /** The window of a pooled shortcut. */
  readonly #window: Local | undefined;
  readonly #value: Local | undefined;

  constructor(
    private readonly code: Code,
    private readonly layer: BinaryConvLayer,
    private readonly ending: Stream,
  ) {
    const outputs = layer.map[0];
    const reached = ending.shortcut.kind === "pooled" ? Math.min(layer.inputShape[0], outputs) : outputs;
    this.#outputs = outputs;
    this.runs = [
      { count: reached, withShortcut: true },
      { count: outputs - reached, withShortcut: false },
    ];
    this.#out = code.pointer();
    this.#base = code.pointer();
    this.#factor = code.pointer();
    if (ending.shortcut.kind === "pooled") this.#window = code.pointer();
    if (ending.clips && !ending.clipTable) this.#value = code.pointer();
  }

  start(): Expression[] {
    const { code, layer } = this;
    return [
      this.#out.set(code.i32(layer.output.address)),
      ...this.#moveWindow((window) => window.set(code.i32(layer.input.address))),
    ];
  }

  load(record: Local): Expression[] {
    const { i32 } = this.code.module;
    const at = filterBytes(this.layer.words);
    return [this.#base.set(i32.load(at, 4, record.get)), this.#factor.set(i32.load(at + 4, 4, record.get))];
  }

  nextChannel(withShortcut: boolean): Expression[] {
    return [this.#out.advance(1), ...(withShortcut ? this.#moveWindow((window) => window.advance(1)) : [])];
  }

  nextBlock(pixels: number): Expression[] {
    const { shortcut } = this.ending;
    const columns = shortcut.kind === "pooled" ? shortcut.window[1] : 0;
    const channels = this.layer.inputShape[0];
    return [
      ...(pixels > 1 ? [this.#out.advance((pixels - 1) * this.#outputs)] : []),
      ...this.#moveWindow((window) => window.advance(pixels * columns * channels - this.runs[0]!.count)),
    ];
  }

  nextRow(): Expression[] {
    const { shortcut } = this.ending;
    if (shortcut.kind !== "pooled") return [];
    const [rows, columns] = shortcut.window;
    const [channels, , width] = this.layer.inputShape;
    return this.#moveWindow((window) => window.advance((rows * width - this.layer.map[2] * columns) * channels));
  }

  #moveWindow(move: (window: Local) => Expression): Expression[] {
    return this.#window ? [move(this.#window)] : [];
  }

  store(count: Expression, pixel: number, _record: Local, withShortcut: boolean): Expression[] {
    const { code } = this;
    const { i32 } = code.module;
    const { clips, clipTable } = this.ending;
    const at = pixel * this.#outputs;
    const value = this.#scaled(count, withShortcut ? this.#added(pixel) : undefined);
    if (!clips) return [i32.store8(at, 1, this.#out.get, value)];
    if (clipTable) return [i32.store8(at, 1, this.#out.get, i32.load8_u(clipTable.region.address, 1, value))];
    const limited = this.#value!;
    return [limited.set(value), ...code.clip(limited, -128, 127), i32.store8(at, 1, this.#out.get, limited.get)];
  }

  /** What the shortcut adds, in its own steps. */
  #added(pixel: number): Expression | undefined {
    const { i32 } = this.code.module;
    const { shortcut } = this.ending;
    if (shortcut.kind === "none") return undefined;
    if (shortcut.kind === "identity") return i32.load8_s(pixel * this.#outputs, 1, this.#out.get);
    const [channels, , width] = this.layer.inputShape;
    const [rows, columns] = shortcut.window;
    const taps: Expression[] = [];
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++)
        taps.push(i32.load8_s((y * width + pixel * columns + x) * channels, 1, this.#window!.get));
    return taps.reduce((sum, tap) => i32.add(sum, tap));
  }

  /** ((added << leftShift) + base - factor * count) >> shift, rounded down. */
  #scaled(count: Expression, added: Expression | undefined): Expression {
    const { code, ending } = this;
    const { i32 } = code.module;
    const shift = (value: Expression, right: number): Expression =>
      right === 0 ? value : right > 0 ? i32.shr_s(value, code.i32(right)) : i32.shl(value, code.i32(-right));
    const scaled = i32.sub(this.#base.get, i32.mul(count, this.#factor.get));
    if (added === undefined || ending.shortcut.kind === "none") return shift(scaled, ending.shift);
    const { leftShift } = ending.shortcut;
    // Whole steps of the output pass the rounding unchanged: they are added behind it.
    if (leftShift >= ending.shift) return i32.add(shift(added, ending.shift - leftShift), shift(scaled, ending.shift));
    return shift(i32.add(shift(added, -leftShift), scaled), ending.shift);
  }
}
