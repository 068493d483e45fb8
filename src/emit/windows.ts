/** Walks windows over a map with channels innermost; windows that padding cuts off are visited as far as they lie inside. */
import type { PoolWindow } from "../plan/element-layers.ts";
import type { Code, Expression, Local } from "./code.ts";

export interface WindowVisitor {
  /** Once for each window; the pointer is at its first pixel inside of the map. */
  readonly begin: (first: Local) => Expression[];
  /** For each pixel of a window, which may not move the pointer. */
  readonly pixel: (at: Local) => Expression[];
  /** Once for each window. */
  readonly end: () => Expression[];
}

/** @param elementBytes of one element of the map that begins at `address` */
export function walkWindows(
  code: Code,
  address: number,
  elementBytes: number,
  window: PoolWindow,
  visitor: WindowVisitor,
): Expression[] {
  const { i32 } = code.module;
  const [channels, height, width] = window.inputShape;
  const pixelBytes = channels * elementBytes;
  const rows = new Axis(code, window, 0, height, width * pixelBytes);
  const columns = new Axis(code, window, 1, width, pixelBytes);
  const at = code.pointer();
  const [rowEnd, end] = [code.pointer(), code.pointer()];
  const perWindow = [
    ...columns.enter(),
    at.set(i32.add(i32.add(rows.first.get, columns.first.get), code.i32(address))),
    // Behind the last row, at the window's first column.
    end.set(i32.add(i32.sub(rows.last.get, rows.first.get), at.get)),
    ...visitor.begin(at),
    code.untilReaches(at, end.get, [
      rowEnd.set(i32.add(i32.sub(columns.last.get, columns.first.get), at.get)),
      code.untilReaches(at, rowEnd.get, [...visitor.pixel(at), at.advance(columns.tapBytes)]),
      at.set(i32.add(i32.sub(i32.add(at.get, code.i32(rows.tapBytes)), columns.last.get), columns.first.get)),
    ]),
    ...visitor.end(),
    ...columns.next(),
  ];
  return [
    ...rows.start(),
    code.repeat(window.counts[0], [
      ...rows.enter(),
      ...columns.start(),
      code.repeat(window.counts[1], perWindow),
      ...rows.next(),
    ]),
  ];
}

/** One axis of the windows: which bytes of the map, from its first, the current window covers. */
class Axis {
  /** From this to before `last`. */
  readonly first: Local;
  readonly last: Local;
  /** From one element of a window to the next. */
  readonly tapBytes: number;
  /** Where the window would begin, padding included. */
  readonly #start: Local;

  constructor(
    private readonly code: Code,
    private readonly window: PoolWindow,
    private readonly axis: 0 | 1,
    private readonly size: number,
    private readonly bytes: number,
  ) {
    this.first = code.pointer();
    this.last = code.pointer();
    this.#start = code.pointer();
    this.tapBytes = window.dilations[axis] * bytes;
  }

  start(): Expression[] {
    return [this.#start.set(this.code.i32(-this.window.pads[this.axis]! * this.bytes))];
  }

  /** Limits the window to the map. */
  enter(): Expression[] {
    const { code, window, axis } = this;
    const { i32, select } = code.module;
    const end = this.size * this.bytes;
    const [before, after] = [window.pads[axis]!, window.pads[axis + 2]!];
    const set = [this.first.set(this.#start.get), this.last.set(this.#start.plus(window.kernel[axis] * this.tapBytes))];
    if (before > 0)
      set.push(this.first.set(select(i32.lt_s(this.first.get, code.i32(0)), code.i32(0), this.first.get)));
    if (after > 0)
      set.push(this.last.set(select(i32.gt_s(this.last.get, code.i32(end)), code.i32(end), this.last.get)));
    return set;
  }

  next(): Expression[] {
    return [this.#start.advance(this.window.strides[this.axis] * this.bytes)];
  }
}
